"""Columns that say others: beside each value of one the other has one value alone, and not by luck.

A gap is a value as others are. Where it is none, since what a city's country is was not always written, it says
nothing, and the rows that have both say the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 30  # rows that a rule must be able to lose
FIRST = 256  # rows that candidates are tried on before all are


@dataclass(frozen=True)
class Determined:
    """What the values of one column say of another.

    rows  one for each value that says something, (k,)
    gaps  whether a gap says nothing, in either column
    """

    rows: np.ndarray
    gaps: bool


def determined(on: np.ndarray, of: np.ndarray) -> Determined | None:
    """What codes `on` (n,) say of codes `of` (n,), -1 for gaps; None where they say nothing."""
    rows = _said(on + 1, of + 1)
    if rows is not None:
        return Determined(rows, gaps=False)
    there = np.flatnonzero((on >= 0) & (of >= 0))
    if len(there) in (0, len(on)):
        return None
    rows = _said(on[there], of[there])
    if rows is None:
        return None
    # What never has a value, in so many rows, is not there to have one.
    never = np.bincount(on[on >= 0], minlength=on.max() + 1) * ~np.isin(np.arange(on.max() + 1), on[there])
    none = [int(np.flatnonzero(on == value)[0]) for value in np.flatnonzero(never >= LEAST)]
    return Determined(np.sort(np.append(there[rows], none).astype(int)), gaps=True)


def agreed_by_luck(on: np.ndarray, of: np.ndarray) -> bool:
    """Whether rows whose code `on` (n,) was seen before would hardly ever disagree, were their codes `of` (n,) drawn
    alone."""
    repeats = len(on) - np.count_nonzero(np.bincount(on))
    shares = np.bincount(of) / len(of)
    return bool(repeats * (1 - float((shares**2).sum())) < LEAST)


def _said(on: np.ndarray, of: np.ndarray) -> np.ndarray | None:
    """The first row (k,) of each code `on` (n,), where it has one code `of` (n,) in all of its rows."""
    if not _is_one(on[:FIRST], of[:FIRST]) or not _is_one(on, of) or agreed_by_luck(on, of):
        return None
    first = _first(on)
    return np.sort(first[np.bincount(on) > 0])


def _is_one(on: np.ndarray, of: np.ndarray) -> bool:
    return bool((of == of[_first(on)[on]]).all())


def _first(on: np.ndarray) -> np.ndarray:
    """The first row of each code (n,), whatever for a code that is nowhere."""
    first = np.zeros(on.max() + 1, dtype=int)
    first[on[::-1]] = np.arange(len(on))[::-1]  # of several the last one stays
    return first
