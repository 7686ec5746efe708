"""The Python API: fit a diffusion on a DataFrame, draw rows with a chosen sampler and step budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tabstep import frames
from tabstep.complete import Completion
from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.encode import schema_from_json
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.setting import Artifacts, Setting, Table, path_for
from tabstep.table import Schema, Task

FORMAT = 1
MEASURED_ROWS = 512
Kind = Literal["number", "category", "datetime"]


@dataclass(frozen=True)
class Column:
    """How a column of the user's frame is read and written back.

    values   for categories: the original value of each label
    dtype    pandas dtype to restore; "category" takes `categories` and `ordered` as well
    """

    name: str
    kind: Kind
    dtype: str
    values: dict[str, Any] = field(default_factory=dict)
    categories: tuple[Any, ...] = ()
    ordered: bool = False

    @classmethod
    def of(cls, column: pd.Series[Any], *, category: bool) -> Column:
        """Raises ValueError for values that cannot be stored without pickle, and for columns of ids."""
        name, dtype = column.name, column.dtype
        if not isinstance(name, str):
            raise ValueError(f"column names must be strings, got {name!r}; use frame.rename(columns=str)")
        if isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(dtype):
            return cls(name, "datetime", str(dtype))
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) and not category:
            return cls(name, "number", str(dtype))
        values: dict[str, Any] = {}
        for value in column.dropna().unique():
            plain = value.item() if hasattr(value, "item") else value
            if not isinstance(plain, str | bool | int | float):
                raise ValueError(
                    f"column {name!r} holds {type(plain).__name__} values; use numbers, strings, booleans or dates"
                )
            label = frames.label(plain)
            if label in values and values[label] != plain:
                raise ValueError(
                    f"column {name!r} holds {values[label]!r} and {plain!r}, which read the same"
                )
            values[label] = plain
        if len(values) > 20 and len(values) == column.notna().sum():
            raise ValueError(f"column {name!r} has a different text in every row, like an id; drop it")
        if isinstance(dtype, pd.CategoricalDtype):
            categories = tuple(v.item() if hasattr(v, "item") else v for v in dtype.categories)
            return cls(name, "category", "category", values, categories, bool(dtype.ordered))
        return cls(name, "category", str(dtype), values)

    def read(self, column: pd.Series[Any]) -> Any:
        """Canonical values: numbers, or labels with None where missing."""
        if self.kind == "category":
            return frames.labels(column)
        if self.kind == "datetime":
            nanoseconds = pd.Series(column.astype("int64"), dtype="float64")
            return nanoseconds.mask(column.isna().to_numpy()).to_numpy()
        return frames.numbers(column)

    def write(self, column: Any) -> Any:
        """The user's values (a Series) in the user's dtype."""
        if self.kind == "category":
            original = column.map(self.values).where(column.notna(), None)
            if self.dtype == "category":
                return original.astype(pd.CategoricalDtype(list(self.categories), self.ordered))
            return original.astype(self.dtype)
        if self.kind == "datetime":
            moments: Any = pd.to_datetime(column.round(), unit="ns", utc="," in self.dtype)
            return moments.astype(self.dtype)
        return column.astype(self.dtype)


@dataclass(frozen=True, eq=False)
class Synthesizer:
    """A fitted diffusion that speaks the user's columns and dtypes. Made by `fit` or `load`."""

    columns: tuple[Column, ...]
    completion: Completion
    model: Diffusion
    rows: State | None = None  # encoded training rows, for samplers that measure; they are not saved
    table: Table | None = None  # all training rows, for samplers that learn; they are not saved
    artifacts: Artifacts = field(default_factory=Artifacts)

    def sample(
        self,
        n: int,
        *,
        sampler: str = DEFAULT_SAMPLER,
        steps: int = 20,
        grid: str | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Draw `n` rows with the columns and dtypes of the training frame.

        `steps` network evaluations a row, 1 .. T of the model; `sampler` and `grid` as in `tabstep list`. The
        same arguments give the same rows. Raises ValueError that names what is out of range, and Unsupported
        where the sampler needs what this model lacks: `analytic` and the grid `dp` measure the network on training
        rows, `ddss` and early-stopped samplers learn from them, and a saved model does not carry them.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
        chosen = grid or SAMPLERS[sampler].grid
        if chosen not in GRIDS:
            raise ValueError(f"grid must be one of {', '.join(GRIDS)}, got {grid!r}")
        if not 1 <= steps <= self.model.schedule.T:
            raise ValueError(f"steps must be in 1..{self.model.schedule.T}, got {steps}")
        rows = self.model.generate(_prepare(self, sampler, chosen, steps), n, seed=seed).rows
        restored = self.completion.inverse(rows)
        return pd.DataFrame({c.name: c.write(restored[c.name]) for c in self.columns})

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder as safetensors and JSON; nothing is pickled."""
        where = Path(folder)
        self.model.save(where)
        schema = asdict(self.completion.schema) | {"integer": sorted(self.completion.schema.integer)}
        inner = asdict(self.completion.inner) | {"integer": sorted(self.completion.inner.integer)}
        text = {
            "format": FORMAT,
            "columns": [asdict(column) for column in self.columns],
            "completion": asdict(self.completion) | {"schema": schema, "inner": inner},
        }
        (where / "table.json").write_text(json.dumps(text, indent=1, allow_nan=False), encoding="utf-8")


@lru_cache(maxsize=8)
def _prepare(fitted: Synthesizer, sampler: str, grid: str, steps: int) -> Draw:
    chosen = SAMPLERS[sampler]
    table = fitted.table
    setting = Setting(
        fitted.model.process,
        train=None if table is None else fitted.model.encode(table.train),
        held=fitted.rows,
        artifacts=fitted.artifacts,
        table=table,
    ).seen_by(chosen)
    return chosen.prepare(setting, path_for(chosen, GRIDS[grid], setting, steps))


def fit(
    frame: pd.DataFrame,
    target: str | None = None,
    *,
    categorical: Sequence[str] = (),
    method: TabDDPM | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Literal["bar", "none"] = "bar",
) -> Synthesizer:
    """Fit TabDDPM on a DataFrame of numbers, strings, booleans, categories and dates; gaps are modelled.

    target       a column of classes conditions the network, as in the paper; a numeric one is generated with
                 the rest. None models all columns jointly.
    categorical  numeric columns to treat as categories
    method       settings; default `TabDDPM()`

    Raises ValueError that names the column and what to do about it.
    """
    repeated = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
    if repeated:
        raise ValueError(f"column names repeat: {', '.join(repeated)}; rename them")
    if len(frame) < 10:
        raise ValueError(f"fit needs at least 10 rows, got {len(frame)}")
    for name in (*categorical, *([target] if target is not None else [])):
        if name not in frame.columns:
            raise ValueError(f"no column {name!r}; the frame has {', '.join(map(str, frame.columns))}")
    columns = tuple(Column.of(frame[name], category=name in categorical) for name in frame.columns)
    table = pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})
    schema = _schema(table, columns, target)
    completion = Completion.fit(table, schema)
    train = completion.forward(table[list(schema.columns)], seed=seed)
    settings = method or TabDDPM()
    if progress == "none":
        model = settings.fit(train, completion.inner, seed=seed, device=device)
    else:
        from rich.progress import Progress

        with Progress(transient=True) as bar:
            task = bar.add_task("fitting", total=settings.steps)
            model = settings.fit(
                train,
                completion.inner,
                seed=seed,
                device=device,
                progress=lambda step, _, loss: bar.update(
                    task, completed=step, description=f"fitting, loss {loss:.3f}"
                ),
            )
    measured = train.sample(min(len(train), MEASURED_ROWS), random_state=seed)
    return Synthesizer(columns, completion, model, model.encode(measured), Table(train, model.encoder))


def load(folder: str | Path, device: str = "cpu") -> Synthesizer:
    """Read what `Synthesizer.save` wrote; nothing in the files is executed."""
    where = Path(folder)
    text = json.loads((where / "table.json").read_text(encoding="utf-8"))
    if text.get("format") != FORMAT:
        raise ValueError(
            f"{where / 'table.json'}: format {text.get('format')!r}, this version reads {FORMAT}"
        )
    columns = tuple(Column(**(c | {"categories": tuple(c["categories"])})) for c in text["columns"])
    c = text["completion"]
    completion = Completion(
        schema_from_json(c["schema"]),
        schema_from_json(c["inner"]),
        c["constant"],
        tuple(c["gaps"]),
        c["dtypes"],
    )
    return Synthesizer(columns, completion, Diffusion.load(where, device))


def _schema(table: pd.DataFrame, columns: Sequence[Column], target: str | None) -> Schema:
    numbers = [c.name for c in columns if c.kind != "category"]
    labels = [c.name for c in columns if c.kind == "category"]
    if target is None:
        # A regression target is only one more numeric column and a class label is drawn from its training
        # frequencies, so any complete column may take that place in a joint model.
        usable = [c for c in (*numbers, *labels) if table[c].notna().all() and table[c].nunique() > 1]
        if not usable:
            raise ValueError("every column is constant or has missing values; one complete column is needed")
        target = usable[0]
    task: Task = (
        "regression" if target in numbers else "binclass" if table[target].nunique() == 2 else "multiclass"
    )
    schema = Schema(
        task,
        target,
        tuple(c for c in numbers if c != target),
        tuple(c for c in labels if c != target),
    )
    whole = frames.whole(table, schema)
    return Schema(task, schema.target, schema.numeric, schema.categorical, whole)
