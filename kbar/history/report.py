"""Runs of a log as one page of HTML, for a browser."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.text import duration
from ..renderers.jsonl import time_text
from ..renderers.page import Results, document, html, line
from .show import Summary


def report(summaries: Sequence[Summary]) -> str:
    """Return the page, which needs neither other files nor a network."""
    return document("kbar: " + ", ".join(s.root.path for s in summaries[:5]), [_run(each) for each in summaries])


def _run(summary: Summary) -> str:
    results = Results(summary.root.title, summary.root.unit)
    for epoch in summary.epochs:
        results.add(epoch)
    first = summary.first
    facts = [
        f"run {first.run}, process {first.pid} on {first.host}" + (f", rank {first.rank}" if first.rank else ""),
        f"from {time_text(first.time, 'seconds')} for {duration(summary.elapsed)}",
        *(["not over by its last line"] if summary.root.outcome is None else []),
        *summary.messages[:100],
    ]
    return html([summary.root], [results], over=True) + "".join(map(line, facts))
