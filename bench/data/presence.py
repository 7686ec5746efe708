"""Numbers that are there although their gap was drawn: where a rule says that there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tabstep.data import comparable
from tabstep.data.barred import Barred
from tabstep.data.columns import Column, Number
from tabstep.data.completion import MISSING, Completion, companion
from tabstep.data.constraints import Constraint, Gaps


def present(
    columns: Sequence[Column], rules: Sequence[Constraint], completion: Completion, rows: pd.DataFrame
) -> pd.DataFrame:
    """Complete rows without the gaps that a rule bars: their numbers are there, and `inverse` would lose them."""
    known = {c.name: c for c in columns}
    for rule in rules:
        if isinstance(rule, Barred):
            for name in (each for each in rule.columns if each in completion.gaps):
                seen = {each: _seen(known[each], completion, rows) for each in rule.columns}
                there = rule.bars_gap(name, pd.DataFrame(seen))
                rows = rows.assign(**{companion(name): rows[companion(name)].where(~there, "no")})
        if isinstance(rule, Gaps):
            labels = rows[rule.on].where(rows[rule.on] != MISSING, None)
            name = companion(rule.of)
            rows = rows.assign(**{name: rows[name].where(rule.missing(labels), "no")})
    return rows


def _seen(column: Column, completion: Completion, rows: pd.DataFrame) -> Any:
    """A column of complete rows in common units, with its gaps."""
    if not isinstance(column, Number):
        return rows[column.name].where(rows[column.name] != MISSING, None).astype(object)
    values = comparable.values(column, rows[column.name])
    if column.name not in completion.gaps:
        return values
    return values.mask(rows[companion(column.name)] == "yes")
