"""A training loop of one's own: TensorFlow's GradientTape, with validation."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own notices are not what this shows

import keras
import tensorflow as tf

import kbar

x = tf.random.stateless_normal((2000, 8), seed=(0, 1))
y = tf.reduce_sum(x, axis=1, keepdims=True)
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(20)
train_data, val_data = data.skip(20), data.take(20)

model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam(0.01)
loss_function = keras.losses.MeanSquaredError()


@tf.function
def train_step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        loss = loss_function(targets, model(inputs, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return loss


@tf.function
def test_step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return loss_function(targets, model(inputs, training=False))


with kbar.loop(epochs=5) as loop:
    for epoch in loop.epochs():
        for inputs, targets in epoch.steps(train_data):
            epoch.mean(loss=train_step(inputs, targets))  # stays a tensor until a frame is drawn
        for inputs, targets in epoch.steps(val_data, stage="validation"):
            epoch.mean(val_loss=test_step(inputs, targets), weight=len(inputs))
