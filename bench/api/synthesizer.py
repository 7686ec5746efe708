"""A fitted diffusion in the user's columns: rows with a chosen sampler and step budget, edited rows, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from tabstep.api import asked
from tabstep.api.drawing import All, Network
from tabstep.api.origin import Origin
from tabstep.data import parts
from tabstep.data.columns import Column, Number, as_text, to_json
from tabstep.data.completion import Completion
from tabstep.data.constraints import Constraint
from tabstep.data.constraints import to_json as constraint_to_json
from tabstep.data.files import SEPARATORS
from tabstep.data.fixed import given
from tabstep.diffusion.labels import Random
from tabstep.diffusion.mixed import Draw, State, stacked
from tabstep.diffusion.model import Diffusion
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.conditional import Known, complete
from tabstep.samplers.inversion import INVERSIONS
from tabstep.samplers.latent import Latent, between, decode, encode
from tabstep.samplers.setting import Artifacts, Setting, Steps, Table, path_for

if TYPE_CHECKING:
    from tabstep.api.report import Report

FORMAT = 3
KEPT_DRAWS = 8  # of the last samplers and budgets asked for


@dataclass(frozen=True, eq=False)
class Synthesizer:
    """A fitted diffusion that speaks the user's columns and dtypes. Made by `fit` or `load`."""

    columns: tuple[Column, ...]
    completion: Completion
    model: Diffusion
    origin: Origin
    constraints: tuple[Constraint, ...] = ()  # that hold in every training row
    rows: State | None = None  # encoded training rows, for samplers that measure; they are not saved
    table: Table | None = None  # all training rows, for samplers that learn; they are not saved
    artifacts: Artifacts = field(default_factory=Artifacts)
    _draws: dict[tuple[str, str, int], Draw] = field(
        default_factory=dict, repr=False
    )  # prepared, the latest last

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
        n, seed = asked.whole("n", n, 1), asked.seed(seed)
        draw = self._prepared(*self._way(sampler, grid, steps))
        return self._written(self.model.generate(draw, n, seed=seed).rows)

    def sample_to(
        self,
        path: str | Path,
        n: int,
        *,
        sampler: str = DEFAULT_SAMPLER,
        steps: int = 20,
        grid: str | None = None,
        seed: int = 0,
        progress: parts.Progress | None = None,
    ) -> None:
        """Write the rows of `sample(n)` to a file of Parquet, CSV or TSV, in memory that does not grow with `n`.

        Parts are kept in a folder beside `path` until all are there, and become the file in one step: killed, the
        same call goes on from the last whole part. `progress` is called with (rows done, n). Raises as `sample`, and
        ValueError for a name that says no format.
        """
        n, seed, path = asked.whole("n", n, 1), asked.seed(seed), Path(path)
        parts.check(path)
        way = self._way(sampler, grid, steps)
        plan = {
            "model": self.model.digest,
            "device": str(self.model.device),
            "way": way,
            "seed": seed,
            "n": n,
        }
        rows = All(self._source(way, seed, text=path.suffix in SEPARATORS), n, self.model.batch_rows)
        parts.write(path, plan, n, rows, progress)

    def edit(
        self,
        rows: pd.DataFrame,
        changes: Mapping[str, Any] | None = None,
        *,
        keep: str | Sequence[str] = (),
        steps: int = 50,
        particles: int = 64,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Fix some columns of real rows and draw the others anew, as they go with those.

        changes  new values: one for all rows, or a sequence of one a row, taken by place whatever index it has
        keep     columns that stay as they are; all that are neither changed nor kept are drawn

        Rows come from the model's distribution given the fixed columns, the better the more `particles` follow each
        row and the more `steps` they take (`samplers.conditional`); fixed columns come back untouched. A row costs
        steps * particles network evaluations. Raises ValueError that names the column for a value that the training
        rows do not have, and for numbers outside their range.
        """
        rows = asked.frame("rows", rows)
        names = [c.name for c in self.columns]
        new = {
            name: asked.values(name, value, len(rows))
            for name, value in dict(changes or {}).items()
            if asked.columns("changes", [name], names)
        }
        keep = asked.columns("keep", keep, names)
        both = sorted(set(new) & set(keep))
        if both:
            raise ValueError(f"{both[0]!r} is both changed and kept")
        if not new and not keep:
            raise ValueError("nothing is fixed: name columns in changes or keep, or use sample()")
        particles, seed = asked.whole("particles", particles, 1), asked.seed(seed)
        fixed = {c.name: c for c in self.columns if c.name in new or c.name in keep}
        lost = [name for name in fixed if name not in new and name not in rows.columns]
        if lost:
            raise ValueError(f"the rows lack the column {lost[0]!r}")
        wanted = pd.DataFrame(
            {name: c.like(new[name] if name in new else rows[name]) for name, c in fixed.items()},
            index=rows.index,
        )
        known, y = self._known(wanted, tuple(fixed))
        total = len(wanted) * particles
        y = self.model.labels(total, seed) if y is None else y.repeat_interleave(particles)
        path, process = self._trailing(self.model, steps), self.model.process
        drawn_parts = []
        for i, few in known.batches(max(1, self.model.batch_rows // particles)):
            noise = process.noise(seed, i * particles, len(few.x) * particles)
            own = process.noise(seed, i, len(few.x)).apart(process.d_num)
            labels = None if y is None else y[i * particles :][: noise.n]
            drawn_parts.append(complete(process, path, few, noise, own, labels))
        drawn = self._decoded(stacked(drawn_parts))
        return drawn.assign(**{name: _own(c, wanted[name]) for name, c in fixed.items()})

    def encode(self, rows: pd.DataFrame, *, steps: int = 50, method: str = "newton", seed: int = 0) -> Latent:
        """The noise from which the sampler `ddim` draws these rows in so many steps; `decode` gives them back.

        method  `newton` solves each step, `joint` all steps at once (DEQ), `upward` runs DDIM backwards: K
                evaluations a row, and an error that shrinks as 1/K. Categories come back exactly with each.
        """
        solve, seed = asked.one_of("method", method, INVERSIONS), asked.seed(seed)
        rows = asked.frame("rows", rows)
        model = self.model.double()
        path = self._trailing(model, steps)
        names = [c.name for c in self.columns]
        clean = model.encode(given(self.columns, self.completion, model.encoder, rows, names).rows)
        noise = model.process.noise(seed, 0, len(rows))
        return encode(model.process, path, clean, noise, solve)

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
        n = asked.whole("n", n, 2)
        for name, rows in (("first", first), ("last", last)):
            asked.frame(name, rows)
            if len(rows) != 1:
                raise ValueError(f"{name} must be a frame of one row, got {len(rows)}; use frame.iloc[[i]]")
        a, b = (self.encode(rows, steps=steps, seed=seed) for rows in (first, last))
        return self.decode(between(a, b, torch.linspace(0, 1, n)))

    def _trailing(self, model: Diffusion, steps: int) -> Steps:
        steps = asked.whole("steps", steps, 1, model.schedule.T)
        return GRIDS["trailing"](Setting(model.process), steps)

    def _way(self, sampler: str, grid: str | None, steps: int) -> tuple[str, str, int]:
        """Sampler, grid and steps as they were asked for. Raises ValueError."""
        chosen = grid or asked.one_of("sampler", sampler, SAMPLERS).grid
        asked.one_of("grid", chosen, GRIDS)
        return sampler, chosen, asked.whole("steps", steps, 1, self.model.schedule.T)

    def _source(self, way: tuple[str, str, int], seed: int, *, text: bool) -> Network:
        """Rows that are drawn so, for a file of text or in the user's dtypes."""
        counts = self.model.class_counts
        labels = Random(counts, seed) if len(counts) else None
        shown = (lambda rows: as_text(self.columns, self._written(rows))) if text else self._written
        return Network(self.model, self._prepared(*way), labels, seed, shown)

    def _prepared(self, sampler: str, grid: str, steps: int) -> Draw:
        """The draw of a sampler and a budget, prepared once; it is kept with the model, and goes with it."""
        key = sampler, grid, steps
        draw = self._draws.pop(key, None) or self._prepare(*key)
        self._draws[key] = draw
        for old in list(self._draws)[:-KEPT_DRAWS]:
            del self._draws[old]
        return draw

    def _prepare(self, sampler: str, grid: str, steps: int) -> Draw:
        chosen = SAMPLERS[sampler]
        setting = Setting(
            self.model.process,
            train=None if self.table is None else self._training_rows,
            held=self.rows,
            artifacts=self.artifacts,
            table=self.table,
        ).seen_by(chosen)
        return chosen.prepare(setting, path_for(chosen, GRIDS[grid], setting, steps))

    def _training_rows(self) -> State:
        """All training rows encoded, once, and only for a sampler that asks."""
        assert self.table is not None
        table = self.table
        rows: State = self.artifacts.kept("encoded training rows", lambda: self.model.encode(table.train))
        return rows

    def _known(self, rows: pd.DataFrame, fixed: Sequence[str]) -> tuple[Known, Tensor | None]:
        """The columns `fixed` of the user's rows, and the labels (n,) if they are among them."""
        model = self.model
        wanted = given(self.columns, self.completion, model.encoder, rows, fixed)
        state = model.encode(wanted.rows)
        masks = (torch.from_numpy(mask).to(model.device) for mask in (wanted.has_x, wanted.has_c))
        return Known(state.x, state.c, *masks), state.y if self.completion.schema.target in fixed else None

    def _decoded(self, state: State) -> pd.DataFrame:
        return self._written(self.model.encoder.decode(*state))

    def _written(self, rows: pd.DataFrame) -> pd.DataFrame:
        restored = self.completion.inverse(rows)
        return pd.DataFrame({c.name: c.write(restored[c.name]) for c in self.columns})

    def report(
        self,
        real: pd.DataFrame,
        holdout: pd.DataFrame | None = None,
        *,
        sampler: str = DEFAULT_SAMPLER,
        steps: int = 20,
        grid: str | None = None,
        seed: int = 0,
        title: str = "a model",
    ) -> Report:
        """How good drawn rows are, whether they leak, and what the fit did, as a page; see `api.judging`.

        real     the rows that the model was fitted on
        holdout  real rows of the same table that it was not fitted on. Without them scores are against training rows,
                 and most of privacy cannot be told
        The other arguments are those of `sample`. Takes seconds to a few minutes. Raises ValueError for rows that are
        not of this table, and for too few.
        """
        from tabstep.api.judging import Draw, judge
        from tabstep.api.report import Report

        real = asked.frame("real", real)
        held = None if holdout is None else asked.frame("holdout", holdout)
        return Report(judge(self, real, held, Draw(sampler, grid, steps, seed), title))

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder, as one safetensors file in place of an older one; nothing is pickled."""
        schema = asdict(self.completion.schema) | {"integer": sorted(self.completion.schema.integer)}
        inner = asdict(self.completion.inner) | {"integer": sorted(self.completion.inner.integer)}
        text = {
            "format": FORMAT,
            "columns": [to_json(column) for column in self.columns],
            "completion": asdict(self.completion) | {"schema": schema, "inner": inner},
            "origin": asdict(self.origin),
            "constraints": [constraint_to_json(rule) for rule in self.constraints],
        }
        self.model.save(Path(folder), table=text)


def _own(column: Column, values: Any) -> Any:
    """Values that a user fixed, untouched; labels in the kind that training rows have them in."""
    return (
        values if isinstance(column, Number) else column.write(pd.Series(column.read(values), dtype=object))
    )
