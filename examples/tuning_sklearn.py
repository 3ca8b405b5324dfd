"""A grid search by scikit-learn over a model of Keras, with SciKeras: in two processes, a row for each."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

import kbar


def build(units: int) -> keras.Model:
    hidden = keras.layers.Dense(units, activation="relu")
    model = keras.Sequential([keras.layers.Input((64,)), hidden, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    model = KerasClassifier(build, units=8, epochs=3, verbose=0, callbacks=[kbar.ProgressBar()])
    search = GridSearchCV(model, {"units": [8, 32]}, cv=2, n_jobs=2)
    with kbar.tuning.sklearn(search):
        search.fit(x, y)
