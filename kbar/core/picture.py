"""Makes the views of stages that snapshots consist of, with the words by which stages are named there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .snapshot import StageView
from .text import printed

if TYPE_CHECKING:
    from .stage import Stage
    from .trial import Result, Trial


_PLAIN = ("fit", "loop")  # what stages with epochs are called if the user gives them no label


def view_of(stage: Stage, now: float, *, with_metrics: bool = True, paced: bool = False) -> StageView:
    """Return the view of `stage` at time `now` (s); `paced` as a bar shows it, else exactly as it is."""
    forecast, counts = stage.forecast, stage.counts
    latest = counts.latest  # read once: meanwhile, another step may land, which has other metrics
    done, total = counts.position(latest), counts.total
    done = done if total is None else min(done, total)
    position, shown = _bar(stage, done, paced)
    running = forecast.running(now) if stage.is_leaf and not forecast.has_epochs and done != total else 0.0
    waiting = 0.0 if stage.outcome else counts.source.waiting(now)
    stalled = forecast.stalls(running)
    return StageView(
        key=stage.key,
        depth=stage.depth,
        label=stage.label,
        title=stage.title,
        path=_path(stage),
        unit=stage.unit,
        phase=stage.phase,
        done=done,
        shown=shown,
        position=position,
        total=total,
        seen=now,
        elapsed=counts.elapsed(now),
        rate=forecast.rate,
        remaining=forecast.remaining(now),
        run_remaining=stage.root.forecast.remaining(now),
        uncertain=stalled
        or forecast.stalls(waiting)
        or forecast.is_uncertain([phase.forecast for phase in stage.epoch_phases]),
        waiting=waiting,
        data_share=counts.data_share(now),
        running=running,
        usual=forecast.interval,
        stalled=stalled,
        metrics=stage.settings.pick(stage.metrics(latest)) if with_metrics else (),
        outcome=stage.outcome,
        summary=stage.settings.summary,
        names=stage.settings.names,
        formats=stage.settings.formats,
        per_unit=counts.per_unit,
        batch=counts.batch,
        run=stage.run,
    )


def _bar(stage: Stage, done: int, paced: bool) -> tuple[float, int]:
    """Where the bar stands, in units, and the count beside it; units that consist of other stages always glide."""
    if stage.outcome or not stage.settings.pacing or (stage.is_leaf and not paced):
        return float(done), done
    position, count = stage.forecast.bar
    return position, min(done, count)


def epoch_view(stage: Stage, now: float, took: float, spent: tuple[tuple[str, float], ...]) -> StageView:
    """Return the view of the epoch of `stage` that has just ended.

    Args:
        stage: the stage whose epoch it is.
        now: the time of the view, in seconds.
        took: seconds that the epoch took.
        spent: where they went.
    """
    main = next((child for child in stage.children if child.phase), None)
    number, width = _of_total(stage.total, stage.done + 1), len(_of_total(stage.total, stage.total or 0))
    own = "" if stage.label in _PLAIN else f"{stage.label}  "  # else runs in threads could not be told apart
    view = _of_unit(stage, view_of(main or stage, now))
    return replace(
        view,
        total=main.counts.usual or view.total if main else view.total,  # the data may have run out earlier
        label=stage.unit,
        title=f"{_heading(stage)}{own}{stage.unit} {number:>{width}}",
        path=f"{_path(stage)} {stage.unit} {number}",
        elapsed=took,
        rate=main.forecast.rate if main else None,
        outcome=main.outcome if main else "done",
        spent=spent,
        note=", ".join(filter(None, (_shortage(child) for child in stage.children if child is not main))),
    )


def trial_view(stage: Stage, trial: Trial, result: Result, now: float) -> StageView:
    """Return the view of a trial of `stage` that has just ended: of the fit in it, if there was one."""
    main = trial.main
    view = _of_unit(stage, view_of(main or stage, now, with_metrics=False))
    if main is None:
        view = replace(view, done=int(result.outcome == "done"), total=1, rate=None, unit=trial.name)
    return replace(
        view,
        label=trial.name,
        title=f"{_heading(stage)}{trial.heading}",
        path=f"{_path(stage)} {trial.title}",
        shown=None,
        position=None,
        elapsed=now - trial.began if result.seconds is None else result.seconds,
        uncertain=False,
        outcome=result.outcome,
        metrics=stage.settings.pick(result.metrics),
        parameters=tuple(result.parameters.items()),
        note=printed(result.note, 80),
        goals=tuple(result.goals.items()),
    )


def _of_unit(stage: Stage, view: StageView) -> StageView:
    """The same view as that of a unit of `stage` that is over, whose events are the stage's."""
    return replace(view, key=stage.key, depth=stage.depth, phase=False, remaining=None, run_remaining=None)


def _shortage(phase: Stage) -> str:
    """How far a phase got whose data ran out early, such as ``validation 2/3``; "" if they did not."""
    counts, whole = phase.counts, phase.counts.usual or phase.total
    was_left = phase.outcome != "done" and (counts.is_loop or phase.outcome != "stopped")
    is_short = phase.phase and not was_left and whole is not None and phase.done < whole
    return f"{phase.label} {phase.done}/{whole}" if is_short else ""


def failed_view(stage: Stage, now: float) -> StageView:
    """Return the view of `stage`, which has just failed, for a line of its own: the title says what it lay within."""
    return replace(view_of(stage, now), title=f"{_heading(stage)}{stage.title}")


def running_unit(stage: Stage) -> int:
    """The number of the unit of `stage` that is running, from 1; of the last one once all are done."""
    return stage.done if stage.pending_epoch or stage.done == stage.total else stage.done + 1


def title_of(stage: Stage) -> str:
    """What the bar of a stage is labelled with: what it is called, and the trial it is in."""
    if not stage.trial:
        return stage.label
    return stage.trial.title if stage.label in _PLAIN else f"{stage.trial.title} {stage.label}"


def _path(stage: Stage) -> str:
    """Where in the run the stage is, such as ``fit epoch 3/10 train``."""
    above = stage.parent
    return f"{_path(above)} {_unit(above, stage, 1)} {stage.label}" if above else stage.label


def _heading(stage: Stage) -> str:
    """What is around the stage, for the beginnings of lines that are read below each other: all of one width."""
    above = stage.parent
    if not above:
        return ""
    return f"{_heading(above)}{above.label} {_unit(above, stage, len(_of_total(above.total, above.total or 0)))}  "


def _unit(stage: Stage, child: Stage, width: int) -> str:
    """The unit of `stage` that `child` is in, such as ``epoch 3/10``; the number takes at least `width` columns."""
    if child.trial:
        return child.trial.title
    # That a child has failed may only be noticed when its parent has gone on.
    number = child.began_in if child.outcome in ("error", "interrupted") else running_unit(stage)
    unit = "" if stage.unit in (stage.label, "it") else f"{stage.unit} "
    return f"{unit}{_of_total(stage.total, number):>{width}}"


def _of_total(total: int | None, number: int) -> str:
    return f"{number}/{total}" if total else f"{number}"
