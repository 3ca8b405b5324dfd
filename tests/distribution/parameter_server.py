"""`ParameterServerStrategy`: a coordinator that queues steps for two workers, all of them servers in this process.

The argument says how: `loop` for a loop of one's own, `fit` for Keras 2.
"""

from common import ARGUMENTS, STEPS, X, Y, bar, layers  # noqa: I001  # first, as it says when to end

import os
import sys
from typing import Any

from launch import addresses
import tensorflow as tf

import kbar

found = addresses(3)
spec = tf.train.ClusterSpec({"worker": found[:2], "ps": found[2:]})
threads = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=4)  # less would wait for each other on a small machine
servers = [
    tf.distribute.Server(spec, job_name=job, task_index=index, config=threads, protocol="grpc")
    for job, index in (("worker", 0), ("worker", 1), ("ps", 0))
]
resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, rpc_layer="grpc")
strategy = tf.distribute.ParameterServerStrategy(resolver)


def train() -> None:
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        weight = tf.Variable([[0.0], [0.0]])

    @tf.function  # type: ignore[untyped-decorator]  # Any
    def step(iterator: Any) -> Any:
        x, y = next(iterator)
        loss = tf.reduce_mean((x @ weight - y) ** 2)
        tf.debugging.assert_less(loss, 100.0)
        weight.assign_add(0.1 * tf.reduce_mean(x * (y - x @ weight), axis=0)[:, None])
        return loss

    def batches(factor: float) -> Any:
        make = lambda: tf.data.Dataset.from_tensor_slices((X, Y * factor)).batch(8).repeat()  # noqa: E731
        return iter(coordinator.create_per_worker_dataset(make))

    for label, data in (("good", batches(1.0)), ("bad", batches(1000.0))):
        with kbar.loop(2, label=label, log_file=f"{label}-{{rank}}.jsonl") as loop:
            for epoch in loop.epochs():
                queued = [coordinator.schedule(step, args=(data,)) for _ in range(STEPS)]
                for result in epoch.steps(queued):  # counts those whose result is there
                    epoch.mean(loss=result.fetch())


def fit() -> None:
    import tf_keras

    with strategy.scope():
        model = tf_keras.Sequential(layers(tf_keras))
        model.compile(loss="mse", optimizer="sgd", steps_per_execution=5)
    data = tf.data.Dataset.from_tensor_slices((X, Y)).repeat().batch(8)
    validation = {"validation_data": data, "validation_steps": 5}
    model.fit(data, steps_per_epoch=STEPS, epochs=2, verbose=0, callbacks=[bar("fit")], **validation)


code = 0
try:
    {"loop": train, "fit": fit}[ARGUMENTS[0]]()
except tf.errors.InvalidArgumentError as error:
    print(error, file=sys.stderr)
    code = 3
sys.stdout.flush()
os._exit(code)  # servers cannot be stopped
