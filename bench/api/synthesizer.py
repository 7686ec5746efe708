"""A fitted diffusion in the user's columns: rows with a chosen sampler and step budget, edited rows, files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from tabstep.api import asked, choosing, editing, started, taught
from tabstep.api.completing import PARTICLES, Completing
from tabstep.api.delivery import Delivery
from tabstep.api.drawing import Network
from tabstep.api.how import NAME, How
from tabstep.api.origin import Origin
from tabstep.api.preparing import again
from tabstep.api.request import Request
from tabstep.api.way import STEPS, Draws, Way, trailing
from tabstep.api.written import Written
from tabstep.data import compound, parts
from tabstep.data.columns import Column, to_json
from tabstep.data.completion import MISSING, Completion
from tabstep.data.compound import Compound
from tabstep.data.constraints import Constraint
from tabstep.data.constraints import to_json as constraint_to_json
from tabstep.data.encode import Encoder
from tabstep.data.fixed import given
from tabstep.data.identifiers import Identifier, finished
from tabstep.data.spans import Span
from tabstep.data.wishes import Gathered, named
from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.threads import as_many_as_help
from tabstep.registry import DEFAULT_SAMPLER, SAMPLERS
from tabstep.samplers.inversion import INVERSIONS
from tabstep.samplers.latent import Latent, between, decode, encode
from tabstep.samplers.setting import Artifacts, Grid, Sampler, Table
from tabstep.samplers.start import MIXTURE, MOMENTS

if TYPE_CHECKING:
    from tabstep.api.report import Report

FORMAT = 5


@dataclass(frozen=True, eq=False, repr=False)
class Synthesizer:
    """A fitted diffusion that speaks the user's columns and dtypes. Made by `fit` or `load`."""

    columns: tuple[Column, ...]
    completion: Completion
    model: Diffusion
    origin: Origin
    constraints: tuple[Constraint, ...] = ()  # that hold in every training row
    identifiers: tuple[Identifier, ...] = ()  # columns whose values are made anew
    rows: State | None = None  # encoded training rows, for samplers that measure; they are not saved
    table: Table | None = None  # all training rows, for samplers that learn; they are not saved
    artifacts: Artifacts = field(default_factory=Artifacts)
    spans: tuple[Span, ...] = ()  # what lies between columns, which is drawn beside them
    compounds: tuple[
        Compound, ...
    ] = ()  # columns of several numbers or labels in a cell, which are columns here

    def __repr__(self) -> str:
        target = "no target" if self.origin.target is None else f"target {self.origin.target!r}"
        return f"<Synthesizer: {len(self.columns)} columns, {target}, fitted on {self.origin.rows:,} rows>"

    def __getstate__(self) -> dict[str, Any]:
        """All but the prepared draws, which are functions: a copy prepares its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_draws"}

    @property
    def encoder(self) -> Encoder:
        """What is known of the training values."""
        return self.model.encoder

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the method, by name, with the steps that training ended at; no others where a time was set for it."""
        found = dict(self.model.method)
        if (limit := found.pop("seconds", None)) is not None:
            del found["steps"]
            found["time limit"] = limit
        found |= {"trained steps": self.model.curve[-1][0]} if self.model.curve else {}
        return found | ({"taught for evaluations": self.taught} if self.taught else {})

    @property
    def taught(self) -> tuple[int, ...]:
        """The numbers of evaluations whose networks are at hand, see `distill`."""
        return taught.ready(self.model, self.artifacts)

    def distill(self, steps: int | Sequence[int] = (1, 2), *, progress: choosing.Shown = "bar") -> None:
        """Teach a copy of the network for each call of one or two evaluations, so that few steps keep more.

        It takes a minute or a few a call, once; from then on `sample(n, steps=1)` draws by them, and `save` keeps them.
        Where the default sampler draws better rows at so many evaluations, as training rows say, it still does, with a
        warning: so it may be on tables that are mostly labels.

        steps     numbers of evaluations to prepare, 1 and 2
        progress  bar, none, or a function that is called with (step, steps, loss), for one network after the other

        Raises ValueError for other numbers, and `Unsupported` for a model that was saved, without its training rows.
        """
        wanted = taught.budgets(steps)
        for K in wanted:
            taught.before(self.model, self.artifacts, SAMPLERS[taught.SAMPLER], K, self.table)
        with as_many_as_help(), choosing.shown(progress, "teaching") as told:
            for K in wanted:
                self._draws.of(Way.of(taught.SAMPLER, None, K, T=self.model.schedule.T), told)
        worse = [K for K in wanted if taught.judge(self._draws.setting(), K)]
        if worse:
            calls = f"{' or '.join(map(str, worse))} evaluation{'s' if worse != [1] else ''}"
            warnings.warn(
                f"by {calls} {DEFAULT_SAMPLER} draws better rows of this table than the taught networks, and stays "
                f"what draws them; sampler={taught.SAMPLER!r} asks for these",
                UserWarning,
                stacklevel=2,
            )

    def way(
        self, sampler: str | Sampler | None = None, grid: str | Grid | None = None, steps: int = STEPS
    ) -> Way:
        """How `sample` draws with these arguments: where no sampler is named, the best known for the steps."""
        chosen = self._best(steps, grid) if sampler is None else sampler
        return Way.of(chosen, grid, steps, T=self.model.schedule.T)

    def sample(
        self,
        n: int,
        *,
        sampler: str | Sampler | None = None,
        steps: int = STEPS,
        grid: str | Grid | None = None,
        seed: int = 0,
        where: Mapping[str, Any] | None = None,
        balance: str | None = None,
    ) -> pd.DataFrame:
        """Draw `n` rows with the columns and dtypes of the training frame.

        steps    network evaluations a row, 1 .. T of the model
        sampler  a name of `tabstep list samplers`, an object, or `mine.py:Euler`; `grid` likewise (`api.way`). Left
                 out, networks that were taught for so many steps (`distill`), or else the registry's default, at 3 to
                 7 steps another where it begins at poor rows, which takes seconds to find out, once; `rows.attrs`
                 says under "drawn by" which
        where    what all rows meet: {"class": "fraud", "city": ["Oslo", "Rome"], "age": (18, 30)}; a tuple is a range
                 with both ends, None an open one; the last day of a range of times is all of that day
        balance  a column of categories of which each comes as often as any other, up to one

        The same arguments give the same rows. Conditions on the label that the network is conditioned on (the target of
        the fit) are exact and cost nothing. For others rows are drawn and kept where they meet them, which is exact;
        where fewer than one in a hundred does, single values are met by particles, as in `edit`. `rows.attrs`
        says under "conditions" what came of it, and a warning what is poor.

        Raises ValueError that names what is out of range, and Unsupported where the sampler needs what this model
        lacks: `analytic` and the grid `dp` measure the network on training rows, `ddss` and early-stopped samplers
        learn from them, and a saved model does not carry them.
        """
        way, request = self._asked(sampler, grid, steps, n, seed, where, balance)
        if request.is_plain:
            drawn = self.model.generate(self._draw(way), request.n, seed=request.seed).rows
            rows = self._finished(self._written(drawn), request.seed)
        else:
            rows = self._delivery(way, request).frame()
        rows.attrs["drawn by"] = way.words
        return rows

    def sample_to(
        self,
        path: str | Path,
        n: int,
        *,
        sampler: str | Sampler | None = None,
        steps: int = STEPS,
        grid: str | Grid | None = None,
        seed: int = 0,
        where: Mapping[str, Any] | None = None,
        balance: str | None = None,
        progress: parts.Progress | None = None,
    ) -> How | None:
        """Write the rows of `sample(n, ...)` to a file of Parquet, CSV or TSV, in memory that does not grow with `n`.

        Parts are kept in a folder beside `path` until all are there, and become the file in one step: killed, the
        same call goes on from the last whole part. `progress` is called with (rows done, n) after each batch, also
        where none of it met the conditions. Returns what came of conditions, None without them. Raises as `sample`, and
        ValueError for a name that says no format.
        """
        path = Path(path)
        parts.check(path)
        way, request = self._asked(sampler, grid, steps, n, seed, where, balance)
        plan = {"model": self.model.digest, "device": str(self.model.device), "way": way.said}
        return self._delivery(way, request).file(path, plan, self.columns, self.completion.gaps, progress)

    def edit(
        self,
        rows: pd.DataFrame,
        changes: Mapping[str, Any] | None = None,
        *,
        keep: str | Sequence[str] = (),
        steps: int = 50,
        particles: int = PARTICLES,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Fix some columns of real rows and draw the others anew, as they go with those.

        changes  new values: one for all rows, or a sequence of one a row, taken by place whatever index it has
        keep     columns that stay as they are; all that are neither changed nor kept are drawn

        Rows come from the model's distribution given the fixed columns, the better the more `particles` follow each
        row and the more `steps` they take (`samplers.conditional`); fixed columns come back untouched, and all under
        the index of `rows`. A row costs steps * particles network evaluations. `rows.attrs` says under "conditions"
        what the particles were worth, and a warning when it is little. Raises ValueError that names the column for a
        value that the training rows do not have, and for numbers outside their range.
        """
        known = self._known("rows", rows)
        changes = compound.changed(changes, self.compounds)
        keep = compound.named(named(keep, self._names), self.compounds)
        wanted = editing.fixed(known, changes, keep, self.columns, self._ids)
        particles, seed = asked.whole("particles", particles, 1), asked.seed(seed)
        drawn, effective = self._completing.rows(wanted, steps, particles, seed)
        every = {column.name: np.ones(len(drawn), dtype=bool) for column in self.columns}
        editing.tell_of_rules(self.columns, self.constraints, drawn, every, 2)
        drawn = self._finished(drawn, seed).set_axis(rows.index)
        how = How(by_particles=tuple(wanted.columns), particles=particles, effective=float(effective.mean()))
        how.warn(stacklevel=2)
        drawn.attrs[NAME] = how.plain
        return drawn

    def impute(
        self,
        rows: pd.DataFrame,
        *,
        columns: str | Sequence[str] = (),
        steps: int = 50,
        particles: int = PARTICLES,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Real rows with values drawn for their gaps, as they go with the rest of each row; one draw of many.

        What is there stays untouched, in the dtypes of the training frame; columns that it does not have are left
        alone. A row is drawn as in `edit`, again while it has a gap: a gap that the model always holds for one with
        such values stays, with a warning. Raises ValueError as `edit`.

        columns  whose gaps are filled, all when left out; others' gaps are values, such as that nothing applies, where
                 training rows have them too, and stay
        """
        particles, seed = asked.whole("particles", particles, 1), asked.seed(seed)
        known = self._known("rows", rows)
        wanted_columns = compound.named(named(columns, self._names), self.compounds)
        chosen = asked.columns("columns", wanted_columns, [c.name for c in self.columns], self._ids)
        drawn = {**self.encoder.categories, self.completion.inner.target: self.encoder.classes}
        may = {*self.completion.gaps, *(name for name, labels in drawn.items() if MISSING in labels)}
        filling = editing.Filling(known, self.columns, self.completion, self.constraints, chosen, may)
        for wanted, own in filling.rounds(seed):
            filling.take(*self._completing.rows(wanted, steps, particles, own))
        filled = compound.together(filling.filled(), self.compounds).set_axis(rows.index)
        how = How(by_particles=("what is there",), particles=particles, effective=filling.effective)
        how.warn(stacklevel=2)
        filling.warn(stacklevel=2)
        filled.attrs[NAME] = how.plain
        return filled

    def encode(self, rows: pd.DataFrame, *, steps: int = 50, method: str = "newton", seed: int = 0) -> Latent:
        """The noise from which the sampler `ddim` draws these rows in so many steps; `decode` gives them back.

        method  `newton` solves each step, `joint` all steps at once (DEQ), `phantom` by a cheaper gradient, `upward`
                runs DDIM backwards: K evaluations a row, and an error that shrinks as 1/K. Categories come back
                exactly with each.
        """
        solve, seed = asked.one_of("method", method, INVERSIONS), asked.seed(seed)
        rows = self._known("rows", rows)
        model = self.model.double()
        path = trailing(model, steps)
        names = [c.name for c in self.columns]
        clean = model.encode(
            given(self.columns, self.completion, model.encoder, rows, names, self.spans).rows
        )
        noise = model.process.noise(seed, 0, len(rows))
        return encode(model.process, path, clean, noise, solve)

    def decode(self, latent: Latent) -> pd.DataFrame:
        """The rows that `ddim` draws from this noise, with the columns and dtypes of the training frame."""
        if not isinstance(latent, Latent):
            raise ValueError(f"latent must be what encode returns, got a {type(latent).__name__}")
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

    def _asked(
        self,
        sampler: str | Sampler | None,
        grid: str | Grid | None,
        steps: int,
        n: int,
        seed: int,
        where: Mapping[str, Any] | None,
        balance: str | None,
    ) -> tuple[Way, Request]:
        found, known = Gathered(), (self.columns, self.completion, self.constraints)
        with found.faults():
            way = self.way(sampler, grid, steps)
        with found.faults():
            counts = self.model.class_counts
            met = compound.met(where, self.compounds)
            request = Request.of(self.encoder, counts, *known, n, seed, met, balance, self._ids)
        found.end()
        return way, request

    def _best(self, steps: Any, grid: Any) -> str:
        """The name of the sampler for a number of evaluations where none is named."""
        return taught.best(self.model, self._draws.setting(), steps, grid)

    def _draw(self, way: Way) -> Draw:
        """What draws rows this way; says so where networks are to be taught first."""
        note = taught.before(self.model, self.artifacts, way.sampler, way.steps, self.table)
        if note is not None:
            warnings.warn(note, UserWarning, stacklevel=4)
        return self._draws.of(way)

    def _delivery(self, way: Way, request: Request) -> Delivery:
        source = Network(self.model, self._draw(way), request.labels(), request.seed, self._written)
        rare = (lambda: self._completing.source(request)) if request.points else None
        return Delivery(source, request, self.identifiers, self.compounds, self.origin, rare)

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.model, self.rows, self.table, self.artifacts)

    def _known(self, what: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows that a user gives, with gaps as the fit was told of them. Raises ValueError for what is no frame."""
        names = [*self._names, *self._ids, *self.origin.dropped]
        return compound.apart(again(what, rows, self.origin.missing, names), self.compounds)

    @property
    def _names(self) -> list[str]:
        """Of all columns that are learned, and of those that hold several."""
        return [*(column.name for column in self.columns), *(each.name for each in self.compounds)]

    @property
    def _ids(self) -> list[str]:
        return [each.name for each in self.identifiers]

    @property
    def _completing(self) -> Completing:
        return Completing(self.model, self._written)

    def _decoded(self, state: State) -> pd.DataFrame:
        return self._finished(self._written(self.model.encoder.decode(*state)), 0)

    def _finished(self, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Written rows as the table has them: cells of several values, and names of rows."""
        return finished(compound.together(rows, self.compounds), self.identifiers, 0, seed)

    @property
    def _written(self) -> Written:
        return Written(self.columns, self.completion, self.constraints, self.spans)

    def report(
        self,
        real: pd.DataFrame | str | Path,
        holdout: pd.DataFrame | str | Path | None = None,
        *,
        sampler: str | None = None,
        steps: int = STEPS,
        grid: str | None = None,
        seed: int = 0,
        title: str = "a model",
    ) -> Report:
        """How good drawn rows are, whether they leak, and what the fit did, as a page; see `api.judging`.

        real     the rows that the model was fitted on, a frame or a file; what stood for gaps then does so here
        holdout  real rows of the same table that it was not fitted on. Without them scores are against training rows,
                 and most of privacy cannot be told
        The other arguments are those of `sample`. Takes seconds to a few minutes. Raises ValueError for rows that are
        not of this table, and for too few.
        """
        from tabstep.api.report import Report

        draw = {"sampler": sampler or self._best(steps, grid), "grid": grid, "steps": steps, "seed": seed}
        return Report.of(self, real, holdout, draw, title)

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder, as one safetensors file in place of an older one; nothing is pickled.

        How good the rows are that few steps begin at goes with it, and is measured first, in seconds, if it was not.
        Raises ValueError for the path of a file.
        """
        if Path(folder).is_file():
            raise ValueError(f"{folder} is a file; name a folder for the model")
        schema = asdict(self.completion.schema) | {"integer": sorted(self.completion.schema.integer)}
        inner = asdict(self.completion.inner) | {"integer": sorted(self.completion.inner.integer)}
        text = {
            "format": FORMAT,
            "columns": [to_json(column) for column in self.columns],
            "completion": asdict(self.completion) | {"schema": schema, "inner": inner},
            "origin": asdict(self.origin),
            "constraints": [constraint_to_json(rule) for rule in self.constraints],
            "spans": [span.to_json() for span in self.spans],
            "identifiers": [asdict(each) for each in self.identifiers],
            "compounds": [compound.to_json(each) for each in self.compounds],
        }
        started.measure(self._draws.setting())
        beside = {
            f"{name}.{key}": tensor
            for name in (MOMENTS, MIXTURE, started.ALONE, *taught.kept(self.model, self.artifacts))
            for key, tensor in (self.artifacts.held(name) or {}).items()
        }
        self.model.save(Path(folder), table=text, beside=beside)
