"""`MultiWorkerMirroredStrategy`: a fit by two processes, and one in which the second process is lost.

Arguments: by which Keras; how the strategy learns of the cluster; how the second process is lost.
"""

from common import ARGUMENTS, X, Y, bar, layers  # noqa: I001  # first, as it says when to end

import importlib
import json
import os
import signal
from typing import Any

import tensorflow as tf

package, source, loss = ARGUMENTS
config = json.loads(os.environ["TF_CONFIG"])
index = config["task"]["index"]
if source == "resolver":
    del os.environ["TF_CONFIG"]
    spec = tf.train.ClusterSpec(config["cluster"])
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, task_type="worker", task_id=index)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
else:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
keras = importlib.import_module(package)


class VectorModel(keras.Sequential):  # type: ignore[misc]  # Any
    """Its steps return vectors, as Keras 3 cannot average scalars over workers."""

    def train_step(self, data: Any) -> Any:
        return {name: tf.reshape(value, [1]) for name, value in super().train_step(data).items()}

    def test_step(self, data: Any) -> Any:
        return {name: tf.reshape(value, [1]) for name, value in super().test_step(data).items()}


class Lost(keras.callbacks.Callback):  # type: ignore[misc]  # Any
    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if epoch == 1 and index == 1:
            if loss == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("the second worker fails")


if package == "keras":  # not in the scope, where it would try the model on a batch, which several workers cannot
    model = VectorModel()
with strategy.scope():
    if package == "tf_keras":
        model = keras.Sequential()
    for layer in layers(keras):
        model.add(layer)
    model.compile(loss="mse", optimizer="sgd", metrics=["mae"], steps_per_execution=1 if package == "keras" else 3)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8).with_options(options)
    model.fit(data, epochs=2, verbose=0, validation_data=data.take(3), callbacks=[bar("sharded")])
    model.fit(data.repeat(), steps_per_epoch=7, epochs=2, verbose=0, callbacks=[bar("endless")])
    model.fit(data, epochs=5, verbose=0, callbacks=[bar("lost"), Lost()])
