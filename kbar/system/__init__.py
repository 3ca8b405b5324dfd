"""What the process and its outputs are: terminals, notebooks, files, workers, warnings."""
