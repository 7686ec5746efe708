"""Fit a diffusion on a table, and read one that was saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tabstep.api import asked
from tabstep.api.origin import Origin
from tabstep.api.synthesizer import FORMAT, Synthesizer
from tabstep.data import comparable, constraint_search, frames, inference
from tabstep.data.columns import Category, Column, Number, from_json
from tabstep.data.completion import Completion
from tabstep.data.constraints import from_json as constraint_from_json
from tabstep.data.encode import schema_from_json
from tabstep.data.files import read_table
from tabstep.data.table import Schema, Task
from tabstep.data.wishes import Python, Wishes, check_names, check_wishes, named, refuse
from tabstep.diffusion.model import Diffusion, table_of
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.records.provenance import environment
from tabstep.registry import METHODS, walks
from tabstep.samplers.setting import Table

MEASURED_ROWS = 512
FEWEST_ROWS = 10


def fit(
    frame: pd.DataFrame | str | Path,
    target: str | None = None,
    *,
    categorical: str | Sequence[str] = (),
    numeric: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    method: TabDDPM | str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Literal["bar", "none"] = "bar",
) -> Synthesizer:
    """Fit a diffusion on a DataFrame, or on a file of CSV or Parquet; gaps are modelled.

    Columns are what `tabstep run --csv` takes them for: text, truth values and whole numbers with two values are
    categories; numbers, dates, durations, and text that is dates or numbers in writing are numbers. Drawn rows have
    the columns, the dtypes, the decimals and the units of time of the frame, and a fresh index from 0.

    target       a column of classes conditions the network, as in the paper; a numeric one is generated with
                 the rest. None models all columns jointly.
    categorical  columns to treat as categories, whose values are repeated as they are
    numeric      columns to treat as numbers, also those with two values
    drop         columns to leave out
    method       settings, or the name of a method with steps; default `TabStep()`
    seconds      of the clock to train for, in place of the method's number of steps
    device       cpu, cuda, or auto

    Rules between columns that hold in every row (start before end, sums, codes of one another) are found, and are in
    `constraints` of what is returned. Raises ValueError with all that stands in the way, and what to do about it.
    """
    started = time.perf_counter()
    if isinstance(frame, str | Path):
        frame = read_table(Path(frame))
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame must be a DataFrame or the path of a table, got {type(frame).__name__}")
    settings, where, seed = _method(method, seconds), asked.device(device), asked.seed(seed)
    if progress not in ("bar", "none"):
        raise ValueError(f"progress must be bar or none, got {progress!r}")
    refuse(check_names(frame))
    if len(frame) < FEWEST_ROWS:
        raise ValueError(f"fit needs at least {FEWEST_ROWS} rows, got {len(frame)}")
    names, speech = list(frame.columns), Python()
    wishes = Wishes(*(named(given, names) for given in (numeric, categorical, drop)))
    refuse(check_wishes(names, wishes, target, speech))
    frame = frame.reset_index(drop=True)
    columns, faults = inference.infer(frame, wishes, speech, target)
    if target is not None and (gaps := int(frame[target].isna().sum())):
        faults.append(f"target {target!r} is missing in {gaps} rows; drop them")
    refuse(faults)
    table = pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})
    schema = _schema(table, columns, target)
    completion = Completion.fit(table, schema)
    _check_varies(completion)
    constraints = constraint_search.find(comparable.frame(columns, table))
    train = completion.forward(table[list(schema.columns)], seed=seed)
    model = _fitted(settings, train, completion.inner, seed, where, progress)
    measured = train.sample(min(len(train), MEASURED_ROWS), random_state=seed % 2**32)
    origin = Origin(target, len(frame), wishes.drop, seed, time.perf_counter() - started, environment())
    return Synthesizer(
        columns, completion, model, origin, constraints, model.encode(measured), Table(train, model.encoder)
    )


def load(folder: str | Path, device: str = "cpu") -> Synthesizer:
    """Read what `Synthesizer.save` wrote; nothing in it is executed. Raises ValueError on another format."""
    where = Path(folder)
    text = table_of(where)
    if text.get("format") != FORMAT:
        raise ValueError(
            f"{where}: a table of format {text.get('format')!r}, this version reads {FORMAT}; fit the model again"
        )
    columns = tuple(from_json(c) for c in text["columns"])
    c = text["completion"]
    completion = Completion(
        schema_from_json(c["schema"]),
        schema_from_json(c["inner"]),
        c["constant"],
        tuple(c["gaps"]),
        c["dtypes"],
    )
    origin = Origin.from_json(text["origin"])
    constraints = tuple(constraint_from_json(rule) for rule in text["constraints"])
    return Synthesizer(columns, completion, Diffusion.load(where, asked.device(device)), origin, constraints)


def _method(given: Any, seconds: float | None) -> Any:
    """The settings that are asked for, with the time that is."""
    settings = _settings(given)
    if seconds is None:
        return settings
    if "seconds" not in {field.name for field in fields(settings)}:
        raise ValueError(f"{type(settings).__name__} trains for its steps; seconds needs method='tabstep'")
    return replace(settings, seconds=asked.positive("seconds", seconds))


def _settings(given: Any) -> Any:
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
        return kind()
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
    progress: Literal["bar", "none"],
) -> Diffusion:
    if progress == "none":
        return settings.fit(train, schema, seed=seed, device=device)  # type: ignore[no-any-return]
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


def _schema(table: pd.DataFrame, columns: Sequence[Column], target: str | None) -> Schema:
    numbers = [c.name for c in columns if isinstance(c, Number)]
    labels = [c.name for c in columns if isinstance(c, Category)]
    if target is None:
        # A regression target is only one more numeric column and a class label is drawn from its training
        # frequencies, so any column that varies may take that place in a joint model; gaps of one are modelled.
        varying = [c for c in (*numbers, *labels) if table[c].nunique(dropna=False) > 1]
        if not varying:
            raise ValueError("every column is constant: nothing to model")
        target = next((c for c in varying if table[c].notna().all()), varying[-1])
    task: Task = (
        "regression" if target in numbers else "binclass" if table[target].nunique() == 2 else "multiclass"
    )
    schema = Schema(
        task,
        target,
        tuple(c for c in numbers if c != target),
        tuple(c for c in labels if c != target),
    )
    return replace(schema, integer=frames.whole(table, schema))


def _check_varies(completion: Completion) -> None:
    """A class label alone is drawn from its frequencies, and nothing is left to denoise."""
    inner = completion.inner
    if not inner.features and not inner.is_regression:
        raise ValueError(
            f"nothing to diffuse: only {inner.target!r} varies, a column of classes; "
            f"frame[{inner.target!r}].sample(n, replace=True) draws from its frequencies"
        )
