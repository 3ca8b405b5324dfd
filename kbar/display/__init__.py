"""When something is drawn: the only lock, the only threads."""
