"""PyTorch in two processes that `torchrun` starts: fits by Keras, a loop of one's own, and the loss of the second one.

The argument says how that is lost.
"""

from common import ARGUMENTS, X, Y, bar, layers  # noqa: I001  # first, as it says when to end

import os
import signal
from collections.abc import Iterator

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

import kbar

(loss,) = ARGUMENTS
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
data = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
loader = DataLoader(data, batch_size=4, sampler=DistributedSampler(data))


class Unknown(IterableDataset[torch.Tensor]):
    """A worker's share of the data, which does not say how much there is."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter([*data][rank::2])  # type: ignore[call-overload]  # torch's types say less than there is


model = keras.Sequential(layers(keras))
model.compile(loss="mse", optimizer="sgd")
validation = (X[:24], Y[:24])
model.fit(loader, epochs=2, verbose=0, validation_data=validation, validation_batch_size=8, callbacks=[bar("sharded")])
model.fit(DataLoader(Unknown(), batch_size=4), epochs=2, verbose=0, callbacks=[bar("unknown")])

parallel = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
optimizer = torch.optim.SGD(parallel.parameters(), 0.1)
for label, epochs in (("loop", 2), ("lost", 5)):
    with kbar.loop(epochs, label=label, log_file=f"{label}-{{rank}}.jsonl") as loop:
        for epoch in loop.epochs():
            for x, y in epoch.steps(loader):
                optimizer.zero_grad()
                value = torch.nn.functional.mse_loss(parallel(x), y)
                value.backward()
                optimizer.step()
                epoch.mean(loss=value)
            if label == "lost" and epoch.index == 1 and rank == 1:
                if loss == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("the second worker fails")
torch.distributed.destroy_process_group()
