"""What bars are called, and how they show numbers: labels, names of metrics, formats, samples a second, bytes."""

import time

import kbar

LOSSES = {"lr": 3e-4, "classification_head_accuracy": 0.25, "weights": [0.2, 0.8]}

with kbar.loop(
    epochs=2,
    label="trial 1",
    metrics={"classification_head_accuracy": "cls acc"},  # all metrics are shown, this one by a new name
    formats={"lr": ".1e", "*acc*": ".1%"},
) as trial:
    for epoch in trial.epochs():
        for step in epoch.steps(range(40), samples_per_step={"samples": 32, "tokens": 65_536}):
            time.sleep(0.01)
            epoch.log(LOSSES, loss=1 / (1 + step))
    trial.label = "trial 1, best"

with kbar.stage("download", total=3_200_000_000, unit="B", leave=False) as download:
    for part in range(40):
        time.sleep(0.01)
        download.label = f"part {part}"
        download.advance(80_000_000)

for _ in kbar.track(range(1000), disable=True):  # not shown, and nothing within it
    pass
