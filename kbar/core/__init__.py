"""What is true of a run and what to expect of it: pure, without I/O, threads or clocks."""
