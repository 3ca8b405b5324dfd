"""`MirroredStrategy` on two devices of one process; the argument says by which Keras."""

from common import ARGUMENTS, X, Y, bar, layers  # noqa: I001  # first, as it says when to end

import importlib
from typing import Any

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.threading.set_inter_op_parallelism_threads(16)  # each device waits for the other in threads
strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])
assert strategy.num_replicas_in_sync == 2
keras = importlib.import_module(ARGUMENTS[0])


def model(**options: Any) -> Any:
    with strategy.scope():
        made = keras.Sequential(layers(keras))
        made.compile(loss="mse", optimizer="sgd", **options)
    return made


data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
simple = model()
simple.fit(X, Y, batch_size=8, epochs=2, verbose=0, validation_data=(X[:24], Y[:24]), callbacks=[bar("arrays")])
unknown = data.filter(lambda *_: True)
simple.fit(unknown, epochs=2, verbose=0, validation_data=unknown.take(3), callbacks=[bar("unknown")])
several = model(steps_per_execution=4)
if keras.__version__.startswith("2."):  # Keras 3 cannot train several steps an execution on several devices
    several.fit(data, epochs=2, verbose=0, callbacks=[bar("executions")])
several.evaluate(X, Y, batch_size=8, verbose=0, callbacks=[bar("evaluate")])
several.predict(X, batch_size=8, verbose=0, callbacks=[bar("predict")])
