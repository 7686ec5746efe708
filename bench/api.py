"""The Python API: fit a diffusion on a DataFrame, draw rows with a chosen sampler and step budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from tabstep.data import frames
from tabstep.data.columns import Column
from tabstep.data.completion import Completion
from tabstep.data.encode import schema_from_json
from tabstep.data.fixed import given
from tabstep.data.table import Schema, Task
from tabstep.diffusion.mixed import Draw, State, stacked
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.conditional import Known, complete
from tabstep.samplers.inversion import INVERSIONS
from tabstep.samplers.latent import Latent, between, decode, encode
from tabstep.samplers.setting import Artifacts, Setting, Steps, Table, path_for

FORMAT = 1
MEASURED_ROWS = 512


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
        _check_steps(steps, self.model.schedule.T)
        return self._written(self.model.generate(_prepare(self, sampler, chosen, steps), n, seed=seed).rows)

    def edit(
        self,
        rows: pd.DataFrame,
        changes: Mapping[str, Any] | None = None,
        *,
        keep: Sequence[str] = (),
        steps: int = 50,
        particles: int = 64,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Fix some columns of real rows and draw the others anew, as they go with those.

        changes  new values: one for all rows, or a sequence of one a row
        keep     columns that stay as they are; all that are neither changed nor kept are drawn

        Rows come from the model's distribution given the fixed columns, the better the more `particles` follow each
        row and the more `steps` they take (`samplers.conditional`); fixed columns come back untouched. A row costs
        steps * particles network evaluations. Raises ValueError that names the column for a value that the training
        rows do not have, and for numbers outside their range.
        """
        new = dict(changes or {})
        self._check_columns([*new, *keep], "changes and keep")
        both = sorted(set(new) & set(keep))
        if both:
            raise ValueError(f"{both[0]!r} is both changed and kept")
        if not new and not keep:
            raise ValueError("nothing is fixed: name columns in changes or keep, or use sample()")
        if particles < 1:
            raise ValueError(f"particles must be at least 1, got {particles}")
        fixed = [c.name for c in self.columns if c.name in new or c.name in keep]
        wanted = rows.assign(**new).reset_index(drop=True)
        known, y = self._known(wanted, fixed)
        total = len(wanted) * particles
        y = self.model.labels(total, seed) if y is None else y.repeat_interleave(particles)
        path, process = self._trailing(self.model, steps), self.model.process
        parts = []
        for i, few in known.batches(max(1, self.model.batch_rows // particles)):
            noise = process.noise(seed, i * particles, len(few.x) * particles)
            own = process.noise(seed, i, len(few.x)).apart(process.d_num)
            labels = None if y is None else y[i * particles :][: noise.n]
            parts.append(complete(process, path, few, noise, own, labels))
        drawn = self._decoded(stacked(parts))
        own_values = {
            c.name: c.write(pd.Series(c.read(c.like(wanted[c.name]))))
            for c in self.columns
            if c.name in fixed
        }
        return drawn.assign(**own_values)

    def encode(self, rows: pd.DataFrame, *, steps: int = 50, method: str = "newton", seed: int = 0) -> Latent:
        """The noise from which the sampler `ddim` draws these rows in so many steps; `decode` gives them back.

        method  `newton` solves each step, `joint` all steps at once (DEQ), `upward` runs DDIM backwards: K
                evaluations a row, and an error that shrinks as 1/K. Categories come back exactly with each.
        """
        if method not in INVERSIONS:
            raise ValueError(f"method must be one of {', '.join(INVERSIONS)}, got {method!r}")
        model = self.model.double()
        path = self._trailing(model, steps)
        names = [c.name for c in self.columns]
        clean = model.encode(given(self.columns, self.completion, model.encoder, rows, names).rows)
        noise = model.process.noise(seed, 0, len(rows))
        return encode(model.process, path, clean, noise, INVERSIONS[method])

    def decode(self, latent: Latent) -> pd.DataFrame:
        """The rows that `ddim` draws from this noise, with the columns and dtypes of the training frame."""
        return self._decoded(decode(self.model.double().process, latent))

    def interpolate(
        self, first: pd.DataFrame, last: pd.DataFrame, n: int = 9, *, steps: int = 50, seed: int = 0
    ) -> pd.DataFrame:
        """`n` rows on the way from one real row to another, ends included.

        `first` and `last` are frames of one row, such as `frame.iloc[[0]]`. Their noise is turned into each other along
        a great circle, so each row on the way is one that the model could have drawn; the ends come back as well as
        `decode(encode(row))` does.
        """
        if n < 2:
            raise ValueError(f"n must be at least 2, got {n}")
        for name, rows in (("first", first), ("last", last)):
            if len(rows) != 1:
                raise ValueError(f"{name} must be a frame of one row, got {len(rows)}; use frame.iloc[[i]]")
        a, b = (self.encode(rows, steps=steps, seed=seed) for rows in (first, last))
        return self.decode(between(a, b, torch.linspace(0, 1, n)))

    def _trailing(self, model: Diffusion, steps: int) -> Steps:
        _check_steps(steps, model.schedule.T)
        return GRIDS["trailing"](Setting(model.process), steps)

    def _known(self, rows: pd.DataFrame, fixed: Sequence[str]) -> tuple[Known, Tensor | None]:
        """The columns `fixed` of the user's rows, and the labels (n,) if they are among them."""
        model = self.model
        wanted = given(self.columns, self.completion, model.encoder, rows, fixed)
        state = model.encode(wanted.rows)
        masks = (torch.from_numpy(mask).to(model.device) for mask in (wanted.has_x, wanted.has_c))
        return Known(state.x, state.c, *masks), state.y if self.completion.schema.target in fixed else None

    def _check_columns(self, names: Sequence[str], what: str) -> None:
        known = [c.name for c in self.columns]
        for name in names:
            if name not in known:
                raise ValueError(f"{what}: no column {name!r}; the model has {', '.join(known)}")

    def _decoded(self, state: State) -> pd.DataFrame:
        return self._written(self.model.encoder.decode(*state))

    def _written(self, rows: pd.DataFrame) -> pd.DataFrame:
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


def _check_steps(steps: int, T: int) -> None:
    if not 1 <= steps <= T:
        raise ValueError(f"steps must be in 1..{T}, got {steps}")


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
