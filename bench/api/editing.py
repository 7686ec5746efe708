"""Rows given some of their columns: what is fixed is read and checked, what is not is drawn by particles."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.api import asked
from tabstep.api.written import untouched
from tabstep.data import comparable
from tabstep.data.barred import Barred
from tabstep.data.columns import Column, Number
from tabstep.data.completion import Completion
from tabstep.data.constraints import Constraint, Gaps, broken
from tabstep.data.moments import Moments
from tabstep.data.wishes import named


def fixed(
    rows: Any,
    changes: Mapping[str, Any] | None,
    keep: str | Sequence[str],
    columns: Sequence[Column],
    ids: Collection[str],
) -> pd.DataFrame:
    """The columns that an edit fixes, in the user's form, rows numbered from 0.

    ids  columns that name rows, and are made anew

    Raises ValueError for what there is not, for a column that is both changed and kept, and where nothing is fixed.
    """
    rows = asked.frame("rows", rows)
    names = [c.name for c in columns]
    if changes is not None and not isinstance(changes, Mapping):
        raise ValueError(
            f"changes must be columns with their new values, such as {{{names[0]!r}: ...}}, got a "
            f"{type(changes).__name__}; keep= names columns that stay"
        )
    for name in (*(changes or {}), *named(keep, names)):
        if name in ids:
            raise ValueError(
                f"{name!r} names rows, and new names are made: put yours into the rows that come back"
            )
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
    chosen = {c.name: c for c in columns if c.name in new or c.name in keep}
    lost = [name for name in chosen if name not in new and name not in rows.columns]
    if lost:
        raise ValueError(f"the rows lack the column {lost[0]!r}")
    return pd.DataFrame(
        {name: c.like(new[name] if name in new else rows[name]) for name, c in chosen.items()},
        index=rows.index,
    )


ROUNDS = 20  # of drawing a row again that still has a gap


class GapsStay(UserWarning):
    """Gaps that the model holds for gaps."""


class RulesBroken(UserWarning):
    """Rows around what is fixed that go against what holds in every training row."""


def tell_of_rules(
    columns: Sequence[Column],
    rules: Sequence[Constraint],
    rows: pd.DataFrame,
    drawn: Mapping[str, np.ndarray],
    stacklevel: int,
) -> None:
    """Warn of rules that rows break.

    drawn  which rows (n,) have a new value, by column; a rule none of whose columns has one is not looked at
    """
    known = {column.name: column for column in columns if column.name in rows.columns}
    told = []
    for rule in rules:
        if not set(rule.columns) <= set(known):
            continue
        table = pd.DataFrame({name: known[name].read(rows[name]) for name in rule.columns})
        new = np.logical_or.reduce(
            [drawn.get(name, np.zeros(len(rows), dtype=bool)) for name in rule.columns]
        )
        wrong = broken(rule, comparable.frame([known[name] for name in rule.columns], table)) & new
        if wrong.any():
            told.append(f"{rule} (not in {int(wrong.sum()):,} of {len(rows):,})")
    if told:
        warnings.warn(
            f"around what is fixed, rows cannot or do not keep rules of the table: {'; '.join(told)}",
            RulesBroken,
            stacklevel=stacklevel + 1,
        )


class Filling:
    """Rows with gaps, which are filled from rows that are drawn given the rest of them.

    A gap that the row tells, by a rule of the training rows, is none to fill.

    wanted     columns to fill; a gap of another counts as a value where training rows have such, `may` be missing
    effective  what particles were worth in the mean
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        columns: Sequence[Column],
        completion: Completion,
        constraints: Sequence[Constraint] = (),
        wanted: Collection[str] = (),
        may: Collection[str] = (),
    ) -> None:
        times = [
            c
            for c in columns
            if c.name in rows.columns and isinstance(c, Number) and isinstance(c.form, Moments)
        ]
        rows = rows.assign(**{c.name: c.like(rows[c.name]) for c in times})  # texts do not go beside moments
        self._rows, self._columns = rows, [c for c in columns if c.name in rows.columns]
        self._rules = constraints
        if not self._columns:
            raise ValueError("rows: none of the columns that the model was fitted on")
        empty = {name for name, value in completion.constant.items() if value is None}
        names = [c.name for c in self._columns if c.name not in empty]
        self._gaps = rows[names].isna()
        known = {c.name: c for c in self._columns}
        for rule in constraints:
            if not set(rule.columns) <= set(names):
                continue
            if isinstance(rule, Barred):
                seen = [known[name] for name in rule.columns]
                table = comparable.frame(seen, pd.DataFrame({c.name: c.read(rows[c.name]) for c in seen}))
                for name, other in (rule.columns, rule.columns[::-1]):
                    told = rule.leaves_gap(name, table) & rows[other].notna().to_numpy()
                    self._gaps[name] &= ~told
            if isinstance(rule, Gaps):
                told = rule.missing(known[rule.on].read(rows[rule.on])) & rows[rule.on].notna().to_numpy()
                self._gaps[rule.of] &= ~told
        self._wanted = [name for name in names if not wanted or name in wanted]
        for name in names:
            if name not in self._wanted and name in may:
                self._gaps[name] = False
        self._values = {name: rows[name].astype(object).to_numpy(copy=True) for name in names}
        self._open = self._gaps[self._wanted].any(axis=1).to_numpy()
        self._asked_for = {name: self._gaps[name].to_numpy(copy=True) for name in self._wanted}
        self._asked: tuple[tuple[str, ...], np.ndarray] = ((), np.empty(0, dtype=np.int64))
        self._effective: list[np.ndarray] = []

    def rounds(self, seed: int) -> Iterator[tuple[pd.DataFrame, int]]:
        """What is fixed of rows that have the same gaps, and the seed to draw the others with; `take` follows each."""
        kinds, of = np.unique(self._gaps.to_numpy(), axis=0, return_inverse=True)
        for kind in range(len(kinds)):
            missing = tuple(name for name, gap in zip(self._gaps.columns, kinds[kind], strict=True) if gap)
            for turn in range(ROUNDS if missing else 0):
                places = np.flatnonzero((of.reshape(-1) == kind) & self._open)
                if not len(places):
                    break
                self._asked = missing, places
                fixed = {
                    c.name: c.like(self._rows[c.name].iloc[places])
                    for c in self._columns
                    if c.name in self._gaps.columns and c.name not in missing
                }
                own = np.random.SeedSequence(seed, spawn_key=(kind, turn)).generate_state(1)[0]
                yield pd.DataFrame(fixed, index=pd.RangeIndex(len(places))), int(own)

    def take(self, drawn: pd.DataFrame, effective: np.ndarray) -> None:
        """Fill the rows that were asked for last; one that still has a gap stays open, with what else was drawn."""
        missing, places = self._asked
        missing = tuple(name for name in missing if name in self._wanted)
        there = drawn[list(missing)].notna()
        for name in missing:
            self._values[name][places] = self._rows[name].astype(object).to_numpy()[places]
            self._values[name][places[there[name]]] = drawn[name].astype(object).to_numpy()[there[name]]
        self._open[places[there.all(axis=1)]] = False
        self._effective.append(effective)

    @property
    def effective(self) -> float | None:
        return float(np.concatenate(self._effective).mean()) if self._effective else None

    def filled(self) -> pd.DataFrame:
        """The rows, in the dtypes of the training frame."""
        known = {c.name: c for c in self._columns}
        done = {}
        for name, values in self._values.items():
            column = known[name]
            series = column.like(pd.Series(values, dtype=object))
            done[name] = series if isinstance(column, Number) else untouched(column, series)
        return self._rows.assign(**done)

    def warn(self, stacklevel: int) -> None:
        """Warn of rows whose gaps stay, and of rules that those that were filled break."""
        tell_of_rules(self._columns, self._rules, self.filled(), self._asked_for, stacklevel + 1)
        left = int(self._open.sum())
        if left:
            names = ", ".join(
                name for name, values in self._values.items() if pd.isna(values[self._open]).any()
            )
            warnings.warn(
                f"{left} rows keep gaps in {names}: in {ROUNDS} draws the model held them for missing, as "
                "rows with such values mostly are",
                GapsStay,
                stacklevel=stacklevel + 1,
            )
