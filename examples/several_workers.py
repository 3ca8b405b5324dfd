"""Two workers train one model, here on one machine: the first draws the bars, each writes a log of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def work() -> None:
    """What each worker does: all but the bar is as TensorFlow and Keras want it."""
    import keras  # here, as whoever starts the workers needs none of this
    import tensorflow as tf
    from sklearn.datasets import load_digits

    import kbar

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # waits for the others

    class Model(keras.Sequential):  # type: ignore[misc]  # Keras's classes are Any
        """Its steps return vectors, as Keras cannot average scalars over workers (keras-team/keras#20585)."""

        def train_step(self, data: Any) -> dict[str, Any]:
            return {name: tf.reshape(value, [1]) for name, value in super().train_step(data).items()}

        def test_step(self, data: Any) -> dict[str, Any]:
            return {name: tf.reshape(value, [1]) for name, value in super().test_step(data).items()}

    images, labels = load_digits(return_X_y=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    data = tf.data.Dataset.from_tensor_slices((images / 16, labels)).batch(16).with_options(options)

    keras.utils.set_random_seed(0)
    model = Model()  # not within the scope, where Keras would try it on a batch, which several workers cannot
    with strategy.scope():
        model.add(keras.layers.Input((64,)))
        model.add(keras.layers.Dense(64, activation="relu"))
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        bar = kbar.ProgressBar(log_file="worker-{rank}.jsonl")
        model.fit(data.skip(20), validation_data=data.take(20), epochs=3, verbose=0, callbacks=[bar])


def start(count: int) -> str | None:
    """Starts the workers, waits for them and sums up what they have logged; returns what is wrong."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]  # the system knows free ports
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    workers = []
    for index in range(count):
        Path(f"worker-{index}.jsonl").unlink(missing_ok=True)  # else it would be appended to
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        env = {**os.environ, "TF_CONFIG": json.dumps(config), "no_grpc_proxy": "127.0.0.1"}
        env["CUDA_VISIBLE_DEVICES"] = "-1"  # two cannot share one
        with open(f"worker-{index}.err", "wb") as errors:  # TensorFlow's notices would be among the bars
            workers.append(subprocess.Popen([sys.executable, __file__], env=env, stderr=errors))  # noqa: S603  # itself
    try:
        while None in (codes := [worker.poll() for worker in workers]) and not any(codes):
            time.sleep(0.1)
    finally:
        for worker in workers:
            try:
                worker.wait(5)  # until its bar is over
            except subprocess.TimeoutExpired:
                worker.kill()  # it waits for one that is gone
    for index, worker in enumerate(workers):
        print(f"\nworker {index} has ended with {worker.wait()}; kbar show worker-{index}.jsonl:", flush=True)
        subprocess.run([sys.executable, "-m", "kbar", "show", f"worker-{index}.jsonl"])  # noqa: S603  # kbar
    return "why is in worker-*.err" if any(worker.returncode for worker in workers) else None


if __name__ == "__main__":
    if "TF_CONFIG" in os.environ:
        work()
    else:
        sys.exit(start(2))
