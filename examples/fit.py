"""Trains on scikit-learn's digits with kbar's bars, then evaluates and predicts.

python examples/fit.py [--renderer rich|tqdm|log|auto] [--epochs 5]
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own notices are not what this shows

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kbar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renderer", default="auto")
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0)
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    bar = kbar.ProgressBar(args.renderer)
    model.fit(x, y, batch_size=4, epochs=args.epochs, validation_split=0.25, verbose=0, callbacks=[bar])
    model.evaluate(x_test, y_test, batch_size=4, verbose=0, callbacks=[bar])
    model.predict(x_test, batch_size=4, verbose=0, callbacks=[bar])


if __name__ == "__main__":
    main()
