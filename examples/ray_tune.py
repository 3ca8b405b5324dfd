"""Trials of Ray Tune: each has a bar on the driver's screen, with the trial's id."""

import tempfile
import time

import ray
from ray import tune

import kbar


def trial(config: dict[str, float]) -> None:
    with kbar.loop(epochs=3) as loop:
        for epoch in loop.epochs():
            for step in epoch.steps(range(20)):
                time.sleep(0.03)
                epoch.log(loss=config["lr"] / (1 + step))
            tune.report({"loss": config["lr"] / (1 + epoch.index)})


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trial,
            param_space={"lr": tune.grid_search([0.1, 0.01])},
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        print("best:", tuner.fit().get_best_result("loss", "min").config)
