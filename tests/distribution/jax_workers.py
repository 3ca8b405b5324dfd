"""JAX in two processes that share their devices: a fit by Keras, loops of one's own, and the loss of the second one."""

from common import STEPS, X, Y, bar, layers  # noqa: I001  # first, as it says when to end

import os
import signal
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras

import kbar

rank = int(os.environ["WORKER"])
jax.distributed.initialize(os.environ["COORDINATOR"], 2, rank, heartbeat_timeout_seconds=10)
keras.utils.set_random_seed(0)  # each must make the same model
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
assert (len(jax.devices()), len(jax.local_devices())) == (2, 1)

mine = slice(rank, None, 2)  # a worker's share of the data
model = keras.Sequential(layers(keras))
model.compile(loss="mse", optimizer="sgd", steps_per_execution=4)
validation = (X[:24], Y[:24])
model.fit(
    X[mine], Y[mine], batch_size=4, epochs=2, verbose=0, shuffle=False, validation_data=validation,
    validation_batch_size=8, callbacks=[bar("sharded")],
)  # fmt: skip


mesh = jax.sharding.Mesh(jax.devices(), "batch")
shards = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))


@jax.jit
def step(weight: Any, x: Any, y: Any) -> Any:
    def error(weight: Any) -> Any:
        return jnp.mean((x @ weight - y) ** 2)

    value, gradient = jax.value_and_grad(error)(weight)
    return weight - 0.1 * gradient, value


weight = jnp.zeros((2, 1))
for label, epochs in (("loop", 2), ("lost", 5)):
    with kbar.loop(epochs, label=label, log_file=f"{label}-{{rank}}.jsonl") as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(STEPS)):
                batch = slice(i * 8 + rank * 4, i * 8 + rank * 4 + 4)
                x, y = (jax.make_array_from_process_local_data(shards, each[batch]) for each in (X, Y))
                weight, value = step(weight, x, y)
                epoch.mean(loss=value)
            if label == "lost" and epoch.index == 1 and rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
