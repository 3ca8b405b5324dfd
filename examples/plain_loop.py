"""Bars around plain Python: kbar needs no Keras for it."""

import random
import time
from collections.abc import Iterator

import kbar


def files(count: int) -> Iterator[str]:
    """Now and then the next one takes its time: the bar says so."""
    for number in range(count):
        time.sleep(0.2 if number % 25 == 24 else 0.001)
        yield f"file{number}.txt"


for name in kbar.track(files(100), label="read", total=100, unit="file"):
    time.sleep(0.002)
    if name == "file50.txt":
        print(f"half way: {name}")

with kbar.stage("download", unit="byte") as stage:
    stage.total = 1_000_000
    while stage.done < 1_000_000:
        time.sleep(0.005)
        stage.advance(min(random.randrange(20_000), 1_000_000 - stage.done))  # noqa: S311  # no secret

rounds = 0
with kbar.loop(label="solve") as loop:  # for as many epochs as it takes
    for epoch in loop.epochs():
        error = 1.0 / (1 + epoch.index) ** 2
        for _ in epoch.steps(range(20)):
            time.sleep(0.002)
            epoch.log(error=error)
        if error < 0.05:
            break
