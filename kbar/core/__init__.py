"""What is true of a run and what to expect of it: no I/O, no threads, and time is passed in."""
