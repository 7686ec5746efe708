"""Fit a method on a table, and read a diffusion that was saved."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
from torch import Tensor

from tabstep.api import asked, choosing, started, taught
from tabstep.api.choosing import Shown
from tabstep.api.origin import Origin
from tabstep.api.preparing import Prepared, frame_of, prepare, tell_of_index, wishes_of
from tabstep.api.stepless import Stepless
from tabstep.api.synthesizer import FORMAT, Synthesizer
from tabstep.contracts import Model, Unsupported
from tabstep.data import artifact, compound, naming, neighbours
from tabstep.data.columns import Category, from_json
from tabstep.data.completion import MISSING, Completion
from tabstep.data.constraints import from_json as constraint_from_json
from tabstep.data.doubtful_numbers import doubts
from tabstep.data.encode import Encoder, schema_from_json
from tabstep.data.identifiers import Identifier
from tabstep.data.spans import Span
from tabstep.data.wishes import Gaps, Python, as_written
from tabstep.diffusion.mixture_em import EM
from tabstep.diffusion.model import FILE, Diffusion, Saved
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.threads import as_many_as_help
from tabstep.records.provenance import environment
from tabstep.samplers.setting import Artifacts, Table
from tabstep.samplers.start import (
    MIXTURE,
    MOMENTS,
    check_correlated,
    check_mixture,
    check_moments,
    mixture_of,
    moments_of,
)

BRIEF = 0.1  # of a method's training steps, with fewer of which rows are mostly those that paths begin at
MEASURED_ROWS = 4096  # training rows that samplers may measure on

Names = str | Sequence[str]
Diffusions = Literal["tabstep", "tabddpm", "iddpm", "tabddpm-short"]


@overload
def fit(
    frame: pd.DataFrame | str | Path,
    target: str | None = None,
    *,
    categorical: Names = (),
    numeric: Names | Mapping[str, str | None] = (),
    date: Names | Mapping[str, str | None] = (),
    id: Names = (),
    drop: Names = (),
    literal: Names = (),
    missing: Gaps = (),
    method: TabDDPM | Diffusions | None = None,
    seconds: float | None = None,
    distill: int | Sequence[int] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: Shown = "bar",
) -> Synthesizer: ...
@overload
def fit(
    frame: pd.DataFrame | str | Path,
    target: str | None = None,
    *,
    categorical: Names = (),
    numeric: Names | Mapping[str, str | None] = (),
    date: Names | Mapping[str, str | None] = (),
    id: Names = (),
    drop: Names = (),
    literal: Names = (),
    missing: Gaps = (),
    method: Any,
    seconds: float | None = None,
    distill: int | Sequence[int] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: Shown = "bar",
) -> Synthesizer | Stepless: ...
def fit(
    frame: pd.DataFrame | str | Path,
    target: str | None = None,
    *,
    categorical: Names = (),
    numeric: Names | Mapping[str, str | None] = (),
    date: Names | Mapping[str, str | None] = (),
    id: Names = (),
    drop: Names = (),
    literal: Names = (),
    missing: Gaps = (),
    method: Any = None,
    seconds: float | None = None,
    distill: int | Sequence[int] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: Shown = "bar",
) -> Synthesizer | Stepless:
    """Fit a method on a DataFrame, or on a file of CSV or Parquet; gaps are modelled.

    Columns are what `tabstep run --csv` takes them for: text, truth values and whole numbers with two values are
    categories; numbers, dates, durations, and text that is dates or numbers in writing are numbers. Drawn rows have
    the columns, the dtypes, the decimals and the units of time of the frame, and a fresh index from 0.

    target       a column of classes conditions the network, as in the paper; a numeric one is generated with
                 the rest. None models all columns jointly.
    categorical  columns to treat as categories, whose values are repeated as they are
    numeric      columns to treat as numbers, also those with two values; {"price": "1.234,5"} says that commas stand
                 before decimals, "1,234.5" that points do, where 9,300 can be read in two ways
    date         columns of dates or times; {"day": "%d/%m/%Y"} says how they are written, as strftime does
    id           columns that name rows: nothing is learned from them, and new names are made, each once
    drop         columns to leave out
    literal      columns of a file in which a text such as NA or None is a value, not a gap
    missing      texts, numbers and dates that stand for gaps, such as "?" or 999, compared as what a column holds: 0 is
                 not False; {"age": 999} or "age=999" in one column
    method       settings, the name of a method, an object of your own, or `mine.py:Mine`, a file that runs as you;
                 default `TabStep()`. One without steps, such as "ctgan", gives a `Stepless`: rows, conditions, a report
    seconds      of the clock to train for, in place of the method's number of steps; the mixture that rows begin at
                 takes some more
    distill      1, 2 or both: teach networks for so many evaluations, a minute or a few a call (`Synthesizer.distill`)
    device       cpu, cuda, or auto
    progress     bar, none, or a function that is called with (step, steps, loss)

    Rules between columns that hold in every row (start before end, sums, codes of one another) are found, and are in
    `constraints` of what is returned. Warns of whole numbers that may be names of rows or days. Raises ValueError with
    all that stands in the way, and what to do about it.
    """
    table = frame_of(frame, literal, missing, as_written(numeric))
    tell_of_index(frame)
    settings, where = choosing.settings_of(method, seconds=seconds), asked.device(device)
    seed, budgets = asked.seed(seed), taught.wanted(distill, settings)
    if progress not in ("bar", "none") and not callable(progress):
        raise ValueError(f"progress must be bar, none or a function of (step, steps, loss), got {progress!r}")
    wishes = wishes_of(
        table,
        numeric=numeric,
        categorical=categorical,
        drop=drop,
        date=date,
        id=id,
        literal=literal,
        missing=missing,
    )
    ready = prepare(table, target, wishes, Python(), seed)
    for doubt in (
        *doubts(ready.frame, ready.columns, ready.identifiers, Python()),
        *naming.told(ready.things, Python()),
        *neighbours.told(ready.frame, ready.wishes, Python()),
    ):
        warnings.warn(doubt, UserWarning, stacklevel=2)
    model = train(ready, settings, where, progress)
    if budgets and isinstance(model, Synthesizer):
        model.distill(budgets, progress=progress)
    return model


def train(ready: Prepared, settings: Any, device: str, progress: Shown) -> Synthesizer | Stepless:
    """Fit settings on a table that is ready. Raises ValueError for a fit that returns no model."""
    began = time.perf_counter()
    rows, seed, inner = ready.train, ready.seed, ready.completion.inner
    with as_many_as_help():
        model = choosing.fitted(settings, rows, inner, seed=seed, device=device, progress=progress)
    if isinstance(model, Diffusion):
        _tell_of_brevity(model, settings)
    watched = settings.held_rows(len(rows)) if hasattr(settings, "held_rows") else 0

    def origin() -> Origin:
        seconds = ready.seconds + time.perf_counter() - began
        said = ready.wishes
        return Origin(
            ready.target,
            len(rows),
            watched,
            said.drop,
            seed,
            seconds,
            environment(),
            said.literal,
            said.missing,
            ready.separator,
            ready.types,
        )

    if isinstance(model, Diffusion):
        few = rows.sample(min(len(rows), MEASURED_ROWS), random_state=seed % 2**32)
        known, sizes = model.encode(rows), model.encoder.sizes
        kept = {  # what samplers that begin at a mixture, as the default, or at moments need of the rows
            MOMENTS: moments_of(known, sizes),
            MIXTURE: mixture_of(known, sizes, EM(), seed=seed),
        }
        return Synthesizer(
            ready.columns,
            ready.completion,
            model,
            origin(),
            ready.constraints,
            ready.identifiers,
            model.encode(few),
            Table(rows, model.encoder),
            Artifacts.holding(kept),
            ready.spans,
            ready.compounds,
        )
    if not isinstance(model, Model):
        raise ValueError(
            f"{type(settings).__name__}.fit returned {type(model).__name__}, which has no sample(n, *, seed); see "
            "docs/adding-a-method.md"
        )
    return Stepless(
        ready.columns,
        ready.completion,
        model,
        origin(),
        choosing.told(settings),
        Encoder.fit(rows, inner),
        rows,
        ready.constraints,
        ready.identifiers,
        ready.spans,
        ready.compounds,
    )


def _tell_of_brevity(model: Diffusion, settings: Any) -> None:
    """Warn of a training that the clock ended after so few steps that rows are hardly the network's."""
    done, usual = model.curve[-1][0] if model.curve else 0, getattr(settings, "steps", 0)
    if getattr(settings, "seconds", None) and done < BRIEF * usual:
        warnings.warn(
            f"the time was enough for {done:,} steps of training, {usual:,} are usual: rows will be poor; give it more "
            "seconds, fewer busy cores, or method='mixture', which needs none",
            UserWarning,
            stacklevel=4,
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
        starts = _starts(saved.beside, model)
        found = replace(_of(text, model), artifacts=Artifacts.holding(starts))
        with suppress(Unsupported):
            found.sample(1, steps=1)  # what is read also draws
    return found


def _starts(beside: Mapping[str, Tensor], model: Diffusion) -> dict[str, dict[str, Tensor]]:
    """What samplers begin with, and taught networks, by artifact, as `Synthesizer.save` wrote it.

    Raises ValueError where it is none.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for whole, tensor in beside.items():
        name, _, key = whole.partition(".")
        found.setdefault(name, {})[key] = tensor
    checks = {MOMENTS: check_moments, MIXTURE: check_mixture, taught.START: check_correlated}
    networks = taught.check(found, model)
    encoder = model.encoder
    for name, tensors in found.items():
        if name in checks:
            checks[name](tensors, encoder.sizes, encoder.d_num, len(encoder.classes))
        elif name == started.ALONE:
            started.check(tensors)
        elif name in networks:
            tensors.update({key: tensor.to(model.device) for key, tensor in tensors.items()})
        else:
            raise ValueError(f"tensors of an unknown kind, {name!r}")
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
    spans = tuple(map(Span.from_json, text.get("spans", [])))  # models of before have none
    compounds = tuple(map(compound.from_json, text.get("compounds", [])))  # models of before have none
    if not {part for each in compounds for part in each.parts} <= {column.name for column in columns}:
        raise ValueError("numbers in cells that are no columns")
    return Synthesizer(
        columns, completion, model, origin, constraints, identifiers, spans=spans, compounds=compounds
    )
