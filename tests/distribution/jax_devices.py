"""`keras.distribution.DataParallel` on two devices of one process, by JAX."""

from common import X, Y, bar, layers  # noqa: I001  # first, as it says when to end

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import keras

keras.distribution.set_distribution(keras.distribution.DataParallel())
assert len(jax.devices()) == 2
for steps in (1, 4):
    model = keras.Sequential(layers(keras))
    model.compile(loss="mse", optimizer="sgd", steps_per_execution=steps)
    validation = (X[:24], Y[:24])
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, validation_data=validation, callbacks=[bar(f"arrays-{steps}")])
batches = ((X[i * 8 : i * 8 + 8], Y[i * 8 : i * 8 + 8]) for i in range(10))
model = keras.Sequential(layers(keras))
model.compile(loss="mse", optimizer="sgd")
model.fit(batches, verbose=0, callbacks=[bar("unknown")])
model.evaluate(X, Y, batch_size=8, verbose=0, callbacks=[bar("evaluate")])
model.predict(X, batch_size=8, verbose=0, callbacks=[bar("predict")])
