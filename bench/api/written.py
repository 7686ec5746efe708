"""Decoded rows as the user has them: completed, with the rules of the training rows kept, in the user's form."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tabstep.data.columns import Column, Number
from tabstep.data.completion import Completion
from tabstep.data.constraints import Constraint
from tabstep.data.keeping import kept
from tabstep.data.presence import present
from tabstep.data.spans import Span


@dataclass(frozen=True, eq=False)
class Written:
    """How decoded rows are written."""

    columns: Sequence[Column]
    completion: Completion
    constraints: Sequence[Constraint]
    spans: Sequence[Span] = ()

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows that were drawn freely."""
        schema = self.completion.schema
        # The label that the network is conditioned on was asked for, or drawn for all rows at once.
        label = (schema.target,) if schema.target in schema.labels else ()
        return self._whole(self._inverse(rows), label)

    def around(self, rows: pd.DataFrame, fixed: pd.DataFrame, held: Collection[str] = ()) -> pd.DataFrame:
        """Rows that were drawn around what a user fixed: the columns of `fixed` (n rows) come back as they are.

        The others follow them where a rule says so; columns in `held` do not give way either.
        """
        known = [c for c in self.columns if c.name in fixed]
        table = self._inverse(rows).assign(**{c.name: c.read(fixed[c.name]) for c in known})
        whole = self._whole(table, {*fixed.columns, *held})
        return whole.assign(**{c.name: untouched(c, fixed[c.name]) for c in known})

    def _inverse(self, rows: pd.DataFrame) -> pd.DataFrame:
        return self.completion.inverse(present(self.columns, self.constraints, self.completion, rows))

    def _whole(self, table: pd.DataFrame, fixed: Collection[str]) -> pd.DataFrame:
        columns = [*self.columns, *(span.column for span in self.spans)]
        rules = [*self.constraints, *(span.rule for span in self.spans)]
        restored = kept(columns, rules, table, fixed)
        return pd.DataFrame({c.name: c.write(restored[c.name]) for c in self.columns})


def untouched(column: Column, values: Any) -> Any:
    """Values that a user fixed, as they are; labels in the kind that training rows have them in."""
    if isinstance(column, Number):
        return values
    return column.write(pd.Series(column.read(values), dtype=object))
