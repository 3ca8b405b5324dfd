"""Who reports progress: Keras's hooks and loops that people write themselves."""
