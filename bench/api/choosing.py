"""Which method a fit uses, and with which settings: by name, as an object, or from a file of the user's."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, Literal

import pandas as pd

from tabstep import external
from tabstep.api import asked
from tabstep.baselines.holdout import hands_out_fresh_rows
from tabstep.data.table import Schema
from tabstep.diffusion.tabstep import TabStep
from tabstep.diffusion.train import Progress
from tabstep.registry import METHODS, make_method, walks

Shown = Literal["bar", "none"] | Progress


def settings_of(
    given: Any, settings: Mapping[str, Any] | None = None, *, seconds: float | None = None
) -> Any:
    """A method, given as such, by name with some settings, or as `mine.py:Mine`; and the time that it may take.

    Raises ValueError that names the choices.
    """
    found = _method(given, settings or {})
    if seconds is None:
        return found
    if not is_dataclass(found) or "seconds" not in {field.name for field in fields(found)}:
        raise ValueError(f"{type(found).__name__} takes no seconds; seconds needs method='tabstep'")
    settings_in_time: Any = replace(found, seconds=asked.positive("seconds", seconds))  # type: ignore[type-var]
    return settings_in_time


def _method(given: Any, settings: Mapping[str, Any]) -> Any:
    if given is None:
        return make_method(TabStep, settings)
    if isinstance(given, str):
        kind = _kind(given)
        if hands_out_fresh_rows(kind):
            raise ValueError(f"{given!r} hands out held-out rows of a benchmark, and learns from none")
        return make_method(kind, settings) if is_dataclass(kind) or settings else kind()
    if isinstance(given, type) or not callable(getattr(given, "fit", None)):
        shown = given.__name__ if isinstance(given, type) else type(given).__name__
        raise ValueError(
            "method must be a name, settings such as tabstep.TabDDPM(steps=2000), or an object of your own with fit "
            f"(docs/adding-a-method.md), got {shown}"
        )
    return given


def _kind(text: str) -> type[Any]:
    if text in METHODS:
        return METHODS[text]
    offered = external.installed()
    if ":" in text or text.endswith(".py") or text in offered:
        found: type[Any] = external.own(offered[text].value if text in offered else text, "fit")
        return found
    return asked.one_of("method", text, METHODS)


def has_steps(settings: Any) -> bool:
    """Whether a method is a diffusion, whose rows are drawn step by step."""
    return walks(type(settings))


def told(settings: Any) -> dict[str, Any]:
    """The settings of a method, its name first."""
    return {
        "method": type(settings).__name__,
        **(asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else {}),
    }


def fitted(
    settings: Any, train: pd.DataFrame, schema: Schema, *, seed: int, device: str, progress: Shown
) -> Any:
    """What a method learns from complete rows, with a view of how far it is where it tells that."""
    options: dict[str, Any] = {"seed": seed, "device": device}
    tells = "progress" in inspect.signature(settings.fit).parameters
    with shown(progress, "fitting") as told:
        return settings.fit(train, schema, **options, **({"progress": told} if tells else {}))


@contextmanager
def shown(progress: Shown, doing: str) -> Iterator[Progress | None]:
    """What is called with (step, steps, loss) while a network is trained: the caller's own, a bar, or nothing."""
    if progress != "bar":
        yield None if progress == "none" else progress
        return
    if not sys.stdout.isatty() and "ipykernel" not in sys.modules:
        yield None  # a bar that nobody sees leaves an empty line
        return
    from rich.progress import Progress as Bar

    with Bar(transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda step, steps, loss: bar.update(
            task, completed=step, total=steps, description=f"{doing}, loss {loss:.3g}"
        )
