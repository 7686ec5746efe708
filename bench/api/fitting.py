"""Fit a diffusion on a table, and read one that was saved."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tabstep.api import asked
from tabstep.api.origin import Origin
from tabstep.api.preparing import Prepared, frame_of, prepare, wishes_of
from tabstep.api.synthesizer import FORMAT, Synthesizer
from tabstep.contracts import Unsupported
from tabstep.data import artifact
from tabstep.data.columns import Category, from_json
from tabstep.data.completion import MISSING, Completion
from tabstep.data.constraints import from_json as constraint_from_json
from tabstep.data.encode import schema_from_json
from tabstep.data.identifiers import Identifier
from tabstep.data.table import Schema
from tabstep.data.wishes import Python
from tabstep.diffusion.model import FILE, Diffusion, Saved
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.diffusion.train import Progress
from tabstep.records.provenance import environment
from tabstep.registry import METHODS, make_method, walks
from tabstep.samplers.setting import Artifacts, Table
from tabstep.samplers.start import MOMENTS, check_moments, moments_of

MEASURED_ROWS = 512

Shown = Literal["bar", "none"] | Progress


def fit(
    frame: pd.DataFrame | str | Path,
    target: str | None = None,
    *,
    categorical: str | Sequence[str] = (),
    numeric: str | Sequence[str] = (),
    date: str | Sequence[str] | Mapping[str, str | None] = (),
    id: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    literal: str | Sequence[str] = (),
    missing: str | Sequence[str] = (),
    method: TabDDPM | str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Shown = "bar",
) -> Synthesizer:
    """Fit a diffusion on a DataFrame, or on a file of CSV or Parquet; gaps are modelled.

    Columns are what `tabstep run --csv` takes them for: text, truth values and whole numbers with two values are
    categories; numbers, dates, durations, and text that is dates or numbers in writing are numbers. Drawn rows have
    the columns, the dtypes, the decimals and the units of time of the frame, and a fresh index from 0.

    target       a column of classes conditions the network, as in the paper; a numeric one is generated with
                 the rest. None models all columns jointly.
    categorical  columns to treat as categories, whose values are repeated as they are
    numeric      columns to treat as numbers, also those with two values
    date         columns of dates or times; {"day": "%d/%m/%Y"} says how they are written, as strftime does
    id           columns that name rows: nothing is learned from them, and new names are made, each once
    drop         columns to leave out
    literal      columns of a file in which a text such as NA or None is a value, not a gap
    missing      texts that stand for gaps, such as "?" or "unknown"
    method       settings, or the name of a method with steps; default `TabStep()`
    seconds      of the clock to train for, in place of the method's number of steps
    device       cpu, cuda, or auto
    progress     bar, none, or a function that is called with (step, steps, loss)

    Rules between columns that hold in every row (start before end, sums, codes of one another) are found, and are in
    `constraints` of what is returned. Raises ValueError with all that stands in the way, and what to do about it.
    """
    frame = frame_of(frame, literal, missing)
    settings, where, seed = settings_of(method, seconds=seconds), asked.device(device), asked.seed(seed)
    if progress not in ("bar", "none") and not callable(progress):
        raise ValueError(f"progress must be bar, none or a function of (step, steps, loss), got {progress!r}")
    wishes = wishes_of(frame, numeric=numeric, categorical=categorical, drop=drop, date=date, id=id)
    return train(prepare(frame, target, wishes, Python(), seed), settings, where, progress)


def train(ready: Prepared, settings: Any, device: str, progress: Shown) -> Synthesizer:
    """Fit settings on a table that is ready."""
    started = time.perf_counter()
    rows, seed = ready.train, ready.seed
    model = _fitted(settings, rows, ready.completion.inner, seed, device, progress)
    measured = model.encode(rows.sample(min(len(rows), MEASURED_ROWS), random_state=seed % 2**32))
    moments = moments_of(
        model.encode(rows), model.encoder.sizes
    )  # what the default sampler needs of the rows
    seconds = ready.seconds + time.perf_counter() - started
    return Synthesizer(
        ready.columns,
        ready.completion,
        model,
        Origin(
            ready.target,
            len(rows),
            settings.held_rows(len(rows)) if hasattr(settings, "held_rows") else 0,
            ready.dropped,
            seed,
            seconds,
            environment(),
        ),
        ready.constraints,
        ready.identifiers,
        measured,
        Table(rows, model.encoder),
        Artifacts.holding({MOMENTS: moments}),
    )


def load(folder: str | Path, device: str = "cpu") -> Synthesizer:
    """Read what `Synthesizer.save` wrote; nothing in it is executed. Raises ValueError on another format."""
    where = Path(folder)
    saved = Saved.read(where)
    text = saved.table
    if text.get("format") != FORMAT:
        raise ValueError(
            f"{where}: a table of format {text.get('format')!r}, this version reads {FORMAT}; fit the model again"
        )
    model = saved.model(asked.device(device))
    with artifact.taken(where / FILE):
        kept, encoder = saved.beside, model.encoder
        if kept:
            check_moments(kept, encoder.sizes, encoder.d_num, len(encoder.classes))
        found = replace(_of(text, model), artifacts=Artifacts.holding({MOMENTS: kept} if kept else {}))
        with suppress(Unsupported):
            found.sample(1, steps=1)  # what is read also draws
    return found


def _of(text: Mapping[str, Any], model: Diffusion) -> Synthesizer:
    columns = tuple(from_json(c) for c in text["columns"])
    c = text["completion"]
    completion = Completion(
        schema_from_json(c["schema"]),
        schema_from_json(c["inner"]),
        c["constant"],
        tuple(c["gaps"]),
        c["dtypes"],
    )
    encoder = model.encoder
    for column in columns:  # every label that can be drawn can be written
        if isinstance(column, Category) and column.name in completion.inner.labels:
            drawn = encoder.categories.get(column.name, encoder.classes)
            column.write(pd.Series([None if label == MISSING else label for label in drawn], dtype=object))
    origin = Origin.from_json(text["origin"])
    constraints = tuple(constraint_from_json(rule) for rule in text["constraints"])
    identifiers = tuple(Identifier(**each) for each in text["identifiers"])
    return Synthesizer(columns, completion, model, origin, constraints, identifiers)


def settings_of(
    given: Any, settings: Mapping[str, Any] | None = None, *, seconds: float | None = None
) -> Any:
    """A method with steps, given as such or by name with some settings, and the time that it may take.

    Raises ValueError that names the choices.
    """
    found = _settings(given, settings or {})
    if seconds is None:
        return found
    if "seconds" not in {field.name for field in fields(found)}:
        raise ValueError(f"{type(found).__name__} trains for its steps; seconds needs method='tabstep'")
    return replace(found, seconds=asked.positive("seconds", seconds))


def _settings(given: Any, settings: Mapping[str, Any]) -> Any:
    if given is None:
        return TabStep()
    if isinstance(given, str):
        kind = asked.one_of("method", given, METHODS)
        if not walks(kind):
            walking = ", ".join(name for name, other in METHODS.items() if walks(other))
            raise ValueError(
                f"method {given!r} draws rows without steps, and fit takes methods with steps: {walking}; "
                f"`tabstep run --method {given}` compares it with them"
            )
        return make_method(kind, settings)
    if isinstance(given, type) or not hasattr(given, "fit") or not hasattr(given, "last"):
        shown = given.__name__ if isinstance(given, type) else type(given).__name__
        raise ValueError(f"method must be settings such as tabstep.TabDDPM(steps=2000), got {shown}")
    return given


def _fitted(
    settings: Any,
    train: pd.DataFrame,
    schema: Schema,
    seed: int,
    device: str,
    progress: Shown,
) -> Diffusion:
    if progress != "bar":
        told = None if progress == "none" else progress
        return settings.fit(train, schema, seed=seed, device=device, progress=told)  # type: ignore[no-any-return]
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("fitting", total=None)
        return settings.fit(  # type: ignore[no-any-return]
            train,
            schema,
            seed=seed,
            device=device,
            progress=lambda step, steps, loss: bar.update(
                task, completed=step, total=steps, description=f"fitting, loss {loss:.3f}"
            ),
        )
