"""A fitted method without steps in the user's columns: whole rows, and those of them that meet conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
import torch

from tabstep.api.delivery import Delivery
from tabstep.api.drawing import Batch
from tabstep.api.how import How
from tabstep.api.origin import Origin
from tabstep.api.request import Request
from tabstep.api.written import Written
from tabstep.contracts import Model, Unsupported
from tabstep.data import compound, parts, validity
from tabstep.data.columns import Column
from tabstep.data.completion import Completion
from tabstep.data.compound import Compound
from tabstep.data.constraints import Constraint
from tabstep.data.encode import Encoder
from tabstep.data.identifiers import Identifier
from tabstep.data.spans import Span

if TYPE_CHECKING:
    from tabstep.api.report import Report

CHUNK = 4096  # rows that a method is asked for at once
WALK = ("sampler", "steps", "grid")
BY_STEPS = ("edit", "impute", "encode", "decode", "interpolate")


@dataclass(frozen=True, eq=False)
class Chunks:
    """The endless table of a method without steps: chunk after chunk, each drawn with a seed of its own.

    train  the rows that it was fitted on, by which its rows are checked
    """

    model: Model
    train: pd.DataFrame
    written: Written
    seed: int
    _last: dict[int, pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def batch_rows(self) -> int:
        return CHUNK

    def batch(self, start: int, n: int) -> Batch:
        """Raises `validity.Invalid` where the method's rows are none."""
        first, last = start // CHUNK, (start + n - 1) // CHUNK
        rows = pd.concat([self._chunk(k) for k in range(first, last + 1)], ignore_index=True)
        own = rows.iloc[start - first * CHUNK :].iloc[:n].reset_index(drop=True)
        return Batch(self.written(own))

    def skip(self, n: int) -> None:
        """Nothing is to be done: a chunk needs none before it."""

    def _chunk(self, k: int) -> pd.DataFrame:
        if k not in self._last:
            seed = int(np.random.SeedSequence(self.seed, spawn_key=(k,)).generate_state(1)[0])
            rows = self.model.sample(CHUNK, seed=seed)
            validity.check(rows, self.train, self.written.completion.inner, CHUNK)
            self._last.clear()
            self._last[k] = rows
        return self._last[k]


@dataclass(frozen=True, eq=False, repr=False)
class Stepless:
    """A fitted method without steps that speaks the user's columns and dtypes. Made by `fit`.

    settings  of the method, its name among them
    encoder   what is known of the training values
    train     the rows that the method was fitted on
    """

    columns: tuple[Column, ...]
    completion: Completion
    model: Model
    origin: Origin
    settings: Mapping[str, Any]
    encoder: Encoder
    train: pd.DataFrame
    constraints: tuple[Constraint, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    spans: tuple[Span, ...] = ()
    compounds: tuple[Compound, ...] = ()

    def __repr__(self) -> str:
        name, rows = self.settings["method"], self.origin.rows
        return f"<Stepless: {name}, {len(self.columns)} columns, fitted on {rows:,} rows>"

    def __getattr__(self, name: str) -> NoReturn:
        why = "; it needs a method with steps, such as method='tabstep'" if name in BY_STEPS else ""
        raise AttributeError(f"a method without steps has no {name!r}{why}", name=name, obj=self)

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        where: Mapping[str, Any] | None = None,
        balance: str | None = None,
        **walk: Any,
    ) -> pd.DataFrame:
        """Draw `n` rows with the columns and dtypes of the training frame.

        where, balance  as of `Synthesizer.sample`: rows are drawn, and kept where they meet the conditions

        Raises ValueError that names what is out of range, and `Unsupported` for a sampler, steps or a grid.
        """
        return self._delivery(n, seed, where, balance, walk).frame()

    def sample_to(
        self,
        path: str | Path,
        n: int,
        *,
        seed: int = 0,
        where: Mapping[str, Any] | None = None,
        balance: str | None = None,
        progress: parts.Progress | None = None,
        **walk: Any,
    ) -> How | None:
        """Write the rows of `sample(n, ...)` to a file, as `Synthesizer.sample_to` does."""
        path = Path(path)
        parts.check(path)
        plan = {"settings": dict(self.settings), "fitted": self.origin.fit_s, "rows": self.origin.rows}
        return self._delivery(n, seed, where, balance, walk).file(
            path, plan, self.columns, self.completion.gaps, progress
        )

    def report(
        self,
        real: pd.DataFrame | str | Path,
        holdout: pd.DataFrame | str | Path | None = None,
        *,
        seed: int = 0,
        title: str = "a model",
        **walk: Any,
    ) -> Report:
        """How good drawn rows are, whether they leak, and what the fit did; see `Synthesizer.report`."""
        from tabstep.api.report import Report

        self._refuse(walk)
        return Report.of(self, real, holdout, {"seed": seed}, title)

    def save(self, folder: str | Path) -> NoReturn:
        """Raises `Unsupported`: there is no way to store any method, and nothing is pickled."""
        raise Unsupported(
            f"{self.settings['method']} cannot be saved: files hold diffusions, and nothing is pickled; write the rows "
            "that you need with sample_to, or fit method='tabstep'"
        )

    def _delivery(
        self, n: int, seed: int, where: Mapping[str, Any] | None, balance: str | None, walk: Mapping[str, Any]
    ) -> Delivery:
        self._refuse(walk)
        ids = [each.name for each in self.identifiers]
        none, known = torch.empty(0), (self.columns, self.completion, self.constraints)
        met = compound.met(where, self.compounds)
        request = Request.of(self.encoder, none, *known, n, seed, met, balance, ids)
        written = Written(self.columns, self.completion, self.constraints, self.spans)
        source = Chunks(self.model, self.train, written, request.seed)
        return Delivery(source, request, self.identifiers, self.compounds, self.origin)

    def _refuse(self, walk: Mapping[str, Any]) -> None:
        unknown = [name for name in walk if name not in WALK]
        if unknown:
            raise TypeError(f"there is no argument {unknown[0]!r}")
        if walk:
            raise Unsupported(
                f"{', '.join(walk)}: {self.settings['method']} draws rows without steps; leave that out, or fit a "
                "method with steps, such as method='tabstep'"
            )
