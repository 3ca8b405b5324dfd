"""Pauses the bars while something else draws on the terminal: here an upload with a bar of tqdm's own."""

import time

from tqdm import tqdm

import kbar


def upload(parts: int) -> None:
    """Simulate an upload that shows its own progress; not outside a terminal, as `disable=None` says."""
    for _ in tqdm(range(parts), "upload", disable=None):
        time.sleep(0.02)


for number in kbar.track(range(100), label="render", unit="frame"):
    time.sleep(0.02)
    if number % 40 == 39:
        with kbar.pause():  # bars are hidden, and the time does not count in rates and remaining times
            upload(parts=50)
