"""Whole numbers that name things which other columns describe, as a shop's number says its city and its size.

As numbers they would be drawn by their size, shop 105 in the city of 104; as labels each says what it determines.
The other way round, labels that are numbers in writing may be amounts, as the discount by which a price is less.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import writing
from tabstep.data.arithmetic import Product, Rated, Total
from tabstep.data.columns import Category, Column, Number
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Sum
from tabstep.data.derived_search import FAR
from tabstep.data.determined import determined
from tabstep.data.doubtful_text import COME_BACK
from tabstep.data.forms import Plain
from tabstep.data.mean import Mean
from tabstep.data.powers import Powers
from tabstep.data.tariff import Tariff
from tabstep.data.weighted import Weighted
from tabstep.data.wishes import Speech

MOST_NAMED = 200  # things in a column
FEWEST = 3
ROWS = 2000  # in which arithmetic is looked for
Reckoned = Product | Powers | Total | Mean | Weighted | Sum


def whole(columns: Sequence[Column], frame: pd.DataFrame) -> list[str]:
    """The columns of plain whole numbers, of a frame in common units; a gap among them is a thing of its own."""
    plain = [
        c.name for c in columns if isinstance(c, Number) and isinstance(c.form, Plain) and c.name in frame
    ]
    return [name for name in plain if bool((frame[name].dropna() % 1 == 0).all())]


def described(frame: pd.DataFrame, may_be: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By each column of whole numbers that names things the columns that it determines, though not in its order.

    What rises or falls with a number, or has a band of it for each label, is told of its size: a bonus by years. Bands
    that are far from one another, as postcodes of cities are, are none. What arithmetic makes of two others, or they of
    it, names nothing: a bonus that is a part of the wage.

    frame   in common units (`data.comparable`)
    may_be  those that may be labels
    """
    codes = {str(name): pd.factorize(frame[name])[0] for name in frame.columns}
    labels = [name for name in codes if frame[name].dtype == object]
    said = {name for label in labels for name in _told(label, may_be, codes)}
    found: dict[str, tuple[str, ...]] = {
        name: _out_of_order(name, _told(name, list(codes), codes), frame)
        for name in may_be
        if name not in said and _few(frame[name])
    }
    density = {name: _sparse(frame[name]) for name in found}
    names: dict[str, tuple[str, ...]] = {}
    for name in sorted(found, key=lambda name: (-len(found[name]), density[name])):
        if found[name] and not any(name in of for of in names.values()):  # one that another says follows it
            names[name] = found[name]
    amounts = reckoned(frame) if names else set()
    return {name: of for name, of in names.items() if name not in amounts}


def counting(columns: Sequence[Column], frame: pd.DataFrame) -> list[str]:
    """The columns of labels that may be amounts: numbers in writing, as discounts of 5 %, 10 % and 20 %, and a target
    of few whole numbers.

    frame  as it is given
    """
    return [c.name for c in columns if isinstance(c, Category) and _counts(frame[c.name].dropna())]


def _counts(present: pd.Series[Any]) -> bool:
    if present.dtype.kind in "iuf":
        return present.nunique() >= FEWEST
    if not all(isinstance(text, str) for text in present):
        return False
    try:
        form = writing.numbers([*dict.fromkeys(present)], "object")
    except writing.Ambiguous:
        return False
    return form is not None and bool(form.prefix or form.suffix or form.places)


def reckoned(frame: pd.DataFrame) -> set[str]:
    """The columns of some rows that are part of arithmetic with two others."""
    some = frame.sample(min(ROWS, len(frame)), random_state=0).reset_index(drop=True)
    rules = find(some)
    found = {name for rule in rules if isinstance(rule, Reckoned) for name in rule.columns}
    by_label = [rule for rule in rules if isinstance(rule, Rated | Tariff)]
    return found | {name for rule in by_label for name in (rule.by, rule.of)}


def _few(numbers: Any) -> bool:
    return bool(FEWEST <= numbers.nunique() <= min(MOST_NAMED, len(numbers) // COME_BACK))


def _told(on: str, among: Collection[str], codes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns that one determines, by codes (n,) of their values, and rows (k,) that say so of each value."""
    said = {of: determined(codes[on], codes[of]) for of in among if of != on}
    return {of: found.rows for of, found in said.items() if found is not None}


def _out_of_order(name: str, of: Mapping[str, np.ndarray], frame: pd.DataFrame) -> tuple[str, ...]:
    """Those of some columns that are not told in the order of the numbers that tell them, in rows (k,) of each."""
    found = []
    for other, rows in of.items():
        each = frame[[name, other]].iloc[rows].dropna(subset=name).sort_values(name)
        if not _in_order(each[other]) or _are_clusters(each[name].to_numpy(np.float64), each[other]):
            found.append(other)
    return tuple(found)


def _sparse(numbers: Any) -> float:
    """Numbers from the least to the largest for each that is there: few for a count of things, many for amounts."""
    return float((numbers.max() - numbers.min()) / numbers.nunique())


def _in_order(values: pd.Series[Any]) -> bool:
    """Whether what numbers tell, in their order, rises or falls, or has every label in one run.

    A label of its own for each number stands for the number, and needs none beside it. One label may be on both sides
    of another: ages that pay less.
    """
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    runs, kinds = 1 + int((np.diff(codes) != 0).sum()), len(set(codes))
    if values.dtype == object or kinds < len(values):
        return runs <= kinds + 1
    return bool(values.is_monotonic_increasing or values.is_monotonic_decreasing)


def _are_clusters(numbers: np.ndarray, values: pd.Series[Any]) -> bool:
    """Whether sorted numbers (k,) lie far apart wherever what they tell changes, mostly, beside where it does not."""
    gaps, ends = np.diff(numbers), np.diff(pd.factorize(values, use_na_sentinel=False)[0]) != 0
    within, across = gaps[~ends], gaps[ends]
    several = len(np.unique(np.cumsum(ends)[~ends])) > 1  # runs of more than one number
    return several and bool(2 * (across > FAR * within.mean()).sum() > len(across))


def told(things: Mapping[str, Sequence[str]], speech: Speech) -> Iterator[str]:
    """One line for each column that is drawn as labels, with what to say where it is an amount."""
    for name, of in things.items():
        shown = f"{', '.join(of[:-1])} and {of[-1]} hold" if len(of) > 1 else f"{of[0]} holds"
        yield f"{name} is drawn as labels, which say what {shown}: {speech.advise('numeric', name)} draws amounts"
