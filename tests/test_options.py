"""The display options: what is allowed, and what a mistake says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.core.settings import Settings
from kbar.options import Options, options_of


@pytest.mark.parametrize(
    ("name", "value", "error", "allowed"),
    [
        ("renderer", [], ValueError, "at least one, 'none' for none"),
        ("renderer", "richh", ValueError, "one of 'auto', 'rich', .* or a Renderer"),
        ("renderer", 5, TypeError, "one of 'auto', 'rich', .* a Renderer, or a list of them"),
        ("renderer", None, TypeError, "one of 'auto', 'rich', "),
        ("renderer", ["rich", "tqdm"], ValueError, "one for the screen"),
        ("renderer", ["rich", kbar.LogRenderer()], ValueError, r"kbar\.LogRenderer\('train\.log'\)"),
        ("throttle", kbar.every, TypeError, "a callable Tick -> bool"),
        ("metrics", {"loss"}, TypeError, r"a list of names or patterns such as 'val_\*'"),
        ("metrics", "loss", TypeError, "a list"),
        ("metrics", [], TypeError, "a list"),
        ("metrics", [5], TypeError, "a list"),
        ("metrics", {}, TypeError, r"new names such as {'accuracy': 'acc'}"),
        ("metrics", {"a": 5}, TypeError, r"new names such as {'accuracy': 'acc'}"),
        ("metrics", {"a": " "}, TypeError, r"new names such as"),
        ("metrics", {"val_*": "a"}, TypeError, r"without \*"),
        ("metrics", ["loss", {5: "a"}], TypeError, r"new names such as"),
        ("metrics", {"a": "x", "b": "x"}, ValueError, "a name of its own"),
        ("formats", ".2e", TypeError, r"names or patterns to formats, such as {'lr': '.2e'}"),
        ("formats", {"lr": 2}, TypeError, r"names or patterns to formats, such as {'lr': '.2e'}"),
        ("formats", {"lr": ".2q"}, ValueError, "of numbers, such as '.2e', '.1%' or 'd'"),
        ("formats", {"lr": "%.2f"}, ValueError, "of numbers"),
        ("formats", {"lr": ""}, ValueError, "of numbers"),
        ("formats", {"lr": "99999999999f"}, ValueError, "of numbers"),
        ("formats", {"lr": "\n>9"}, ValueError, "of numbers"),
        ("leave", "all", ValueError, "one of 'epochs', 'run', 'none'"),
        ("capture", None, TypeError, "True or False"),
        ("pacing", 1, TypeError, "True or False"),
        ("summary", "yes", TypeError, "True or False"),
        ("log_file", 5, TypeError, "a path"),
    ],
)
def test_a_mistake_says_what_was_given_and_what_is_allowed(
    name: str, value: Any, error: type[Exception], allowed: str
) -> None:
    with pytest.raises(error, match=f"^{name} m.* {allowed}") as raised:
        Options(**{name: value})
    given = value[0] if isinstance(value, list) and value == [5] else value
    assert repr(given) in str(raised.value)


def test_new_names_and_formats_are_handed_on_to_stages_within() -> None:
    outer = Options("none", metrics={"accuracy": "acc"}, formats={"lr": ".2e"}).settings(Settings())
    assert (outer.metrics, outer.names) == (("loss", "val_loss", "accuracy", "*"), (("accuracy", "acc"),))
    inner = Options("none", metrics=iter(["a", {"b": "c"}])).settings(outer)
    assert (inner.metrics, inner.names, inner.formats) == (("a", "b"), (("b", "c"),), (("lr", ".2e"),))
    assert Options("none").settings(outer) == outer
    assert Options("none", formats={}).settings(outer).formats == ()


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no option 'rendrer'; display options are renderer, throttle, .*disable$"):
        options_of({"rendrer": "rich"})  # type: ignore[typeddict-unknown-key]  # the mistake


def test_a_renderers_own_throttle_comes_first(tmp_path: Path) -> None:
    own = kbar.LogRenderer(tmp_path / "own.log", throttle=kbar.never)
    plain = kbar.LogRenderer(tmp_path / "plain.log")
    options = Options([own, plain], throttle=kbar.always, log_file=tmp_path / "train.jsonl")
    throttles = [throttle for _, throttle in options.targets(screen_taken=False)]
    assert throttles == [kbar.never, kbar.always, kbar.JsonLinesRenderer.default_throttle]
    assert Options(plain).targets(screen_taken=False) == [(plain, plain.default_throttle)]


def test_auto_adds_no_second_renderer_to_a_screen() -> None:
    assert Options("auto").targets(screen_taken=True) == []
    assert len(Options("rich").targets(screen_taken=True)) == 1
