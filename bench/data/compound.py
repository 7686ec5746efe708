"""Columns that hold several numbers or labels in a cell: 120/80, "wifi, parking".

Inside each number, and each label that may be there, is a column of its own; rows are written with cells again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from tabstep.data.compound_labels import Labels, labels_of
from tabstep.data.compound_numbers import Numbers, mark_of, numbers_of
from tabstep.data.doubtful_writing import FEW
from tabstep.data.wishes import Speech, Wishes

Compound = Numbers | Labels
KINDS: dict[str, type[Any]] = {kind.what: kind for kind in (Numbers, Labels)}


def spread(
    frame: pd.DataFrame, wishes: Wishes, speech: Speech, target: str | None
) -> tuple[pd.DataFrame, tuple[Compound, ...]]:
    """A table with a column for each part of those that hold several, in their place; a column that something was said
    of stays as it is."""
    said = {*wishes.numeric, *wishes.categorical, *wishes.drop, *wishes.date, *wishes.id, target}
    found = []
    for name in frame.columns:
        own = None if name in said else compound_of(frame[name], {*frame.columns}, speech)
        found += [] if own is None else [own]
    return apart(frame, found), tuple(found)


def told(frame: pd.DataFrame, compounds: Sequence[Compound], wishes: Wishes) -> Wishes:
    """What is said of the columns of `spread`: some parts are numbers, and a mark in them stands before decimals."""
    parts = {
        part: mark_of(frame[part].dropna())
        for each in compounds
        if isinstance(each, Numbers)
        for part in each.parts
    }
    return replace(wishes, numeric=(*wishes.numeric, *parts), decimal={**wishes.decimal, **parts})


def compound_of(column: pd.Series[Any], taken: Collection[str], speech: Speech) -> Compound | None:
    """A column of text that holds several numbers or labels in a cell, None for another."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return None
    present = column.dropna()
    if not all(isinstance(value, str) for value in present) or present.nunique() <= FEW:
        return None
    return numbers_of(column, taken, speech) or labels_of(column, taken, speech)


def apart(frame: pd.DataFrame, compounds: Sequence[Compound]) -> pd.DataFrame:
    """Rows with the parts of those columns that are there. Raises ValueError for cells that are written otherwise."""
    known = {each.name: each for each in compounds if each.name in frame.columns}
    if not known:
        return frame
    columns: dict[Any, Any] = {}
    for name in frame.columns:
        columns |= known[name].apart(frame[name]) if name in known else {name: frame[name]}
    whole = pd.DataFrame(columns, index=frame.index)
    whole.attrs = frame.attrs
    return whole


def together(rows: pd.DataFrame, compounds: Sequence[Compound]) -> pd.DataFrame:
    """The inverse of `apart`."""
    compounds = [each for each in compounds if {*each.parts} <= {*rows.columns}]
    whole = rows.copy(deep=False) if compounds else rows
    for each in compounds:
        place = list(whole.columns).index(each.parts[0])
        cells = each.together(whole)
        whole = whole.drop(columns=[*each.parts])
        whole.insert(place, each.name, cells)
    return whole


def named(names: Sequence[str], compounds: Sequence[Compound]) -> list[str]:
    """Names of columns, of a compound one those of its parts."""
    known = {each.name: each.parts for each in compounds}
    return [part for name in names for part in known.get(name, (name,))]


def changed(changes: Any, compounds: Sequence[Compound]) -> Any:
    """New values by column, one or a sequence of one a row, of a compound column as those of its parts.

    Raises ValueError for a cell that is written otherwise.
    """
    return _by_part(changes, compounds, _cells)


def met(where: Any, compounds: Sequence[Compound]) -> Any:
    """Conditions by column, that of a compound column, which is one cell, as those of its parts. Raises ValueError."""
    return _by_part(where, compounds, _cell)


def _by_part(
    values: Any, compounds: Sequence[Compound], told: Callable[[Compound, Any], Mapping[str, Any]]
) -> Any:
    known = {each.name: each for each in compounds}
    if not isinstance(values, Mapping):
        return values  # is refused where it is looked at
    found: dict[Any, Any] = {}
    for name, value in values.items():
        found |= told(known[name], value) if name in known else {name: value}
    return found


def _cells(compound: Compound, given: Any) -> Mapping[str, Any]:
    if isinstance(given, str) or not pd.api.types.is_list_like(given):
        return _cell(compound, given)
    return compound.apart(pd.Series(list(given), dtype=object))


def _cell(compound: Compound, given: Any) -> Mapping[str, Any]:
    if not (isinstance(given, str) or (pd.api.types.is_scalar(given) and pd.isna(given))):
        raise ValueError(
            f"column {compound.name!r} holds several {compound.what} in a cell: name one cell such as "
            f"{compound.example}, or {', '.join(map(repr, compound.parts))}, which are its {compound.what}; got "
            f"{given!r}"
        )
    return {part: values.iloc[0] for part, values in compound.apart(pd.Series([given], dtype=object)).items()}


def asked(texts: Sequence[str], compounds: Sequence[Compound]) -> list[str]:
    """Conditions of a command line, COLUMN=CELL of a compound column as one for each of its parts."""
    found = []
    for text in texts:
        own = next((each for each in compounds if text.startswith(f"{each.name}=")), None)
        cells = own.apart(pd.Series([text[len(own.name) + 1 :]], dtype=object)) if own else {}
        found += [f"{part}={values.iloc[0]}" for part, values in cells.items()] or [text]
    return found


def to_json(compound: Compound) -> dict[str, Any]:
    return {"kind": compound.what, **asdict(compound)}


def from_json(data: Mapping[str, Any]) -> Compound:
    """The inverse of `to_json`. Raises ValueError for what it did not write."""
    fields = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items() if key != "kind"}
    try:
        found: Compound = KINDS[data["kind"]](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no compound column as this version writes them: {error!r}") from error
    if not found.is_whole:
        raise ValueError("no compound column as this version writes them")
    return found
