"""Cross-validation: a bar around scikit-learn's folds, a line for each, the fit of each below it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold

import kbar

x, y = load_digits(return_X_y=True)
folds = kbar.tuning.folds(KFold(n_splits=3, shuffle=True, random_state=0), x)
scores = []
for train, test in folds:
    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[train], y[train], epochs=3, verbose=0, callbacks=[kbar.ProgressBar()])
    results = model.evaluate(x[test], y[test], return_dict=True, verbose=0, callbacks=[kbar.ProgressBar()])
    scores.append(results["accuracy"])
    folds.log(mean_accuracy=sum(scores) / len(scores))
