"""Where a fitted model comes from: what a report of it has to say, and no file of weights knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from tabstep.data.layout import BETWEEN
from tabstep.data.parquet import type_of

LATER = {"literal", "missing", "separator", "types"}  # which the first files of this format lack


@dataclass(frozen=True)
class Origin:
    """What was asked of a fit, and what it took.

    target       the column that the user named, None where none was: a joint model only needs some column in its place
    rows         training rows
    watched      of these, rows that the network was not trained on and that said when to stop
    dropped      columns that the user left out
    literal      columns of a file in which a text such as NA is a value
    missing      what stands for gaps, as the user said
    seed         of the fit
    fit_s        seconds of the whole fit
    separator    of the .csv that the table was in, which one of its rows has too
    types        of columns of the Parquet that the table was in, where pandas forgets them (`data.parquet`)
    environment  commit, machine and libraries, see `records.provenance.environment`
    """

    target: str | None
    rows: int
    watched: int
    dropped: tuple[str, ...]
    seed: int
    fit_s: float
    environment: Mapping[str, Any]
    literal: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    separator: str = ","
    types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`. Raises ValueError for what is no origin."""
        known = {each.name for each in fields(cls)}
        if not known - LATER <= set(data) <= known:
            raise ValueError(f"no origin of a fit: its fields are {', '.join(sorted(known))}")
        told = {name: tuple(data.get(name, ())) for name in ("dropped", "literal", "missing")}
        if data.get("separator", ",") not in tuple(BETWEEN):
            raise ValueError(
                f"separator must be one of {', '.join(map(repr, BETWEEN))}, got {data['separator']!r}"
            )
        for text in data.get("types", {}).values():
            type_of(text)
        return cls(**{**data, **told})
