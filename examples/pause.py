"""Pauses the bars while the program asks a question in its own way; with `input` they pause by themselves.

python examples/pause.py --ask
"""

import sys
import time

import kbar


def ask(question: str) -> str:
    """Return the answer to a question; "y" if nobody is to be asked."""
    print(question, end="", flush=True)
    if "--ask" in sys.argv:
        return sys.stdin.readline().strip()
    print("y")
    return "y"


for number in kbar.track(range(100), label="copy", unit="file"):
    time.sleep(0.02)
    if number == 50:
        with kbar.pause():  # bars are hidden, and the time does not count
            answer = ask("Go on? [y/n] ")
        if answer != "y":
            break
