"""What a training loop costs in a notebook, and what it leaves there: kbar beside its peers, in real kernels.

    python benchmarks/notebook.py [--epochs 20] [--steps 500] [--frames 200]

Each bar shows the same loop, with six metrics an epoch, in a cell of a kernel of its own. For each:

  loop      µs an iteration, above the loop without a bar
  messages  how many the kernel sent to the front end, for each second of the loop
  sent      their size in all
  file      the size of what stays in the notebook's file

and, for kbar, what a frame with three bars, a table of twelve epochs and six metrics costs on its own thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

LOOP = """
import time
def work():
    until = time.perf_counter() + 0.0005
    while time.perf_counter() < until: pass
metrics = {f"metric_{n}": 0.5 for n in range(6)}
epochs, steps = %d, %d
started = time.perf_counter()
"""
BARS = {
    "none": """
for epoch in range(epochs):
    for step in range(steps): work()
""",
    "kbar": """
import kbar
started = time.perf_counter()
for epoch in kbar.loop(epochs=epochs).epochs():
    for step in epoch.steps(range(steps)): work()
    epoch.log(metrics)
""",
    "tqdm.notebook": """
from tqdm.notebook import tqdm
started = time.perf_counter()
for epoch in tqdm(range(epochs)):
    bar = tqdm(range(steps))
    for step in bar: work()
    bar.set_postfix(metrics)
""",
    "fastprogress": """
from fastprogress import master_bar, progress_bar
started = time.perf_counter()
bar = master_bar(range(epochs))
for epoch in bar:
    for step in progress_bar(range(steps), parent=bar): work()
    bar.write([str(epoch), *map(str, metrics.values())], table=True)
""",
}
END = "\nprint('took', time.perf_counter() - started)\n"


def run(code: str) -> tuple[float, list[dict[str, Any]]]:
    """Run a cell in a kernel of its own; return what it says it took (s), and all messages to the front end."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    took, messages = 0.0, list[dict[str, Any]]()
    try:
        asked = client.execute(code)
        while True:
            message = client.get_iopub_msg(timeout=300)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            if message["msg_type"] == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return took, messages
            if content.get("text", "").startswith("took "):
                took = float(content["text"].split()[1])
            elif message["msg_type"] not in ("status", "execute_input"):
                messages.append({"type": message["msg_type"], "content": content})
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def stays(messages: list[dict[str, Any]]) -> int:
    """Bytes in the notebook's file: each display as it was updated last, and the state of all widgets."""
    displays: dict[str, Any] = {}
    widgets: dict[str, Any] = {}
    for number, message in enumerate(messages):
        content = message["content"]
        if message["type"].endswith("display_data"):
            key = content.get("transient", {}).get("display_id", str(number))
            displays[key] = content["data"]
        elif message["type"] == "comm_open":
            widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif message["type"] == "comm_msg":
            widgets.setdefault(content["comm_id"], {}).update(content["data"].get("state", {}))
    return len(json.dumps([displays, widgets]))


def frame(frames: int) -> float:
    """Seconds that a frame takes to make: the median."""
    from kbar.core.snapshot import StageView
    from kbar.renderers.page import Results, html

    metrics = tuple((f"metric_{n}", 0.5 / (n + 1)) for n in range(6))
    view = StageView(
        key=1, depth=0, label="fit", title="fit", path="fit", unit="epoch", phase=False, done=12, total=100,
        seen=12.3, elapsed=12.3, rate=0.5, remaining=20.0, run_remaining=20.0, metrics=metrics, outcome=None,
    )  # fmt: skip
    results = Results("fit", "epoch")
    for n in range(12):
        results.add(replace(view, title=f"epoch {n + 1}/100", outcome="done", done=100))
    times = []
    for n in range(frames):
        stages = [replace(view, depth=depth, done=n, elapsed=12.3 + n) for depth in range(3)]
        began = time.perf_counter()
        html(stages, [results], over=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--frames", type=int, default=200)
    args = parser.parse_args()
    bare = 0.0
    print(f"{'':16}{'loop':>10}{'messages':>12}{'sent':>12}{'file':>12}")
    for name, code in BARS.items():
        took, messages = run(LOOP % (args.epochs, args.steps) + code + END)
        bare = bare or took
        each = 1e6 * (took - bare) / (args.epochs * args.steps)
        sent = len(json.dumps([message["content"] for message in messages], default=str)) if messages else 0
        print(
            f"{name:16}{each:8.2f}µs{len(messages) / took:10.1f}/s{sent / 1000:10.1f}kB{stays(messages) / 1000:10.1f}kB"
        )
    print(f"a frame of kbar's: {1000 * frame(args.frames):.2f} ms")


if __name__ == "__main__":
    main()
