"""A training loop of one's own on two devices, here two halves of the CPU: one bar, and one mean of both."""

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

import kbar

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.threading.set_inter_op_parallelism_threads(16)  # as each half waits for the other in threads
strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])

x = tf.random.stateless_normal((2000, 8), seed=(0, 1))
y = tf.reduce_sum(x, axis=1, keepdims=True)
data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(20))

with strategy.scope():
    weights = tf.Variable(tf.zeros((8, 1)), aggregation=tf.VariableAggregation.MEAN)


def replica_step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """What each device does, with its half of the batch."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((inputs @ weights - targets) ** 2)
    weights.assign_sub(0.01 * tape.gradient(loss, weights))
    return loss


@tf.function
def train_step(batch: Any) -> tf.Tensor:
    losses = strategy.run(replica_step, args=batch)  # one for each device
    return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)


with kbar.loop(epochs=5) as loop:
    for epoch in loop.epochs():
        for batch in epoch.steps(data, samples_per_step=20):
            epoch.mean(loss=train_step(batch))
