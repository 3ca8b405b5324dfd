"""Runs read back from their logs: watch, replay, show."""
