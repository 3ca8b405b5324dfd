"""Several stages an epoch, as reinforcement learning and GANs have: collect, learn, and now and then evaluate."""

import random
import time
from collections import deque

import kbar

memory: deque[float] = deque(maxlen=1000)
skill = 0.0


def play() -> float:
    """One episode; whoever has more skill gets more reward."""
    time.sleep(0.002)
    return skill + random.random()  # noqa: S311  # no secret


with kbar.loop(epochs=6, metrics=["reward", "loss", "score"]) as loop:
    for epoch in loop.epochs():
        for _ in epoch.steps(range(40), stage="collect", unit="episode"):
            memory.append(play())
            epoch.mean(reward=memory[-1])
        for _ in epoch.steps(range(100), stage="learn"):
            time.sleep(0.001)
            skill += 0.002
            epoch.mean(loss=1 / (1 + skill))
        if epoch.index % 3 == 2:
            for _ in epoch.steps(range(20), stage="evaluate", unit="episode"):
                epoch.mean(score=play())
