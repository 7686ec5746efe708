"""Pairs of values that never come together, though by their shares many rows would have both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.barred import DECILES, Barred
from tabstep.data.classes import OTHER, Class, classes, coded
from tabstep.data.constraints import Codes, Constraint, Order
from tabstep.data.counted import counted
from tabstep.data.determined import LEAST
from tabstep.data.spaced import Spaced

MOST_COLUMNS = 100  # among which pairs are looked at
ABSENT = 16  # rows that would have a pair by chance, where it is that one is missing, or is there at all


def barred(frame: pd.DataFrame, names: Sequence[str], rules: Sequence[Constraint]) -> Iterator[Barred]:
    """Rules of a frame in common units that none of `rules` says already.

    A pair of classes counts where at least `LEAST` rows would have it, were the two columns independent. What the
    order of two numbers says of them is left out, and so are columns that another rule holds together.
    """
    every = {name: classes(frame[name]) for name in names}
    kinds = {name: of for name, of in every.items() if len(of) > 1}
    names = [*kinds][:MOST_COLUMNS]
    codes = {name: coded(frame[name], kinds[name]) for name in names}
    ordered = {frozenset(rule.columns) for rule in rules if isinstance(rule, Order | Spaced)}
    held = [set(rule.columns) for rule in rules if not isinstance(rule, Order | Spaced)]
    on = {rule.on for rule in rules if isinstance(rule, Codes)}
    held += [{rule.of for rule in rules if isinstance(rule, Codes) and rule.on == name} for name in on]
    alias = _aliases(kinds, codes)
    found: dict[tuple[str, str], np.ndarray] = {}
    for a, b in combinations(names, 2):
        bars = _bars(codes[a], codes[b], kinds[a], kinds[b])
        if frozenset((a, b)) in ordered:  # of gaps an order says nothing
            gap = np.array([kind is None for kind in kinds[a]])[:, None] | [kind is None for kind in kinds[b]]
            bars &= gap
        found[a, b] = _own(bars, (a, b), kinds, alias)
    _without_implied(found, kinds, codes, rules)
    for (a, b), bars in found.items():
        if bars.any() and not any({a, b} <= columns for columns in held):
            pairs = tuple((kinds[a][i], kinds[b][k]) for i, k in np.argwhere(bars))
            shares = _shares(codes[a], kinds[a]), _shares(codes[b], kinds[b])
            yield Barred(
                a,
                b,
                shares,
                pairs,
                (_deciles(frame[a], codes[a], kinds[a]), _deciles(frame[b], codes[b], kinds[b])),
            )


def _bars(a: np.ndarray, b: np.ndarray, of_a: Sequence[Class], of_b: Sequence[Class]) -> np.ndarray:
    """Which pairs of classes never are, though by chance `LEAST` rows or more would have them, or `ABSENT` where it is
    of values that are there or missing, (classes, classes) bool.

    A class that always comes with the same one of the other column bars the rest of that as a whole.
    """
    counts = np.bincount(a * len(of_b) + b, minlength=len(of_a) * len(of_b)).reshape(len(of_a), len(of_b))
    by_chance = counts.sum(1)[:, None] * counts.sum(0) / len(a)
    least = np.where(_presence(of_a)[:, None] | _presence(of_b), ABSENT, LEAST)
    bars = (counts == 0) & (by_chance >= least)
    for lines, found, often in ((bars, counts, by_chance), (bars.T, counts.T, by_chance.T)):
        never = found == 0
        alone = ((~never).sum(axis=1) == 1) & ((often * never).sum(axis=1) >= LEAST)
        lines |= alone[:, None] & never
    return np.asarray(bars)


def _presence(kinds: Sequence[Class]) -> np.ndarray:
    """Which classes (classes,) bool say no more than that a value is missing, or is there."""
    return np.array([None in kinds and (kind is None or len(kinds) == 2) for kind in kinds], dtype=bool)


def _shares(codes: np.ndarray, kinds: Sequence[Class]) -> tuple[tuple[Class, float], ...]:
    counts = np.bincount(codes, minlength=len(kinds))
    return tuple((kind, float(count) / len(codes)) for kind, count in zip(kinds, counts, strict=True))


def _aliases(kinds: dict[str, list[Class]], codes: dict[str, np.ndarray]) -> dict[tuple[str, Class], str]:
    """By a column and its class: the first column with a class in the same rows, which stands for all of them."""
    first: dict[bytes, str] = {}
    return {
        (name, kind): first.setdefault(np.packbits(codes[name] == i).tobytes(), name)
        for name, found in kinds.items()
        if name in codes
        for i, kind in enumerate(found)
    }


def _own(
    bars: np.ndarray,
    names: tuple[str, str],
    kinds: dict[str, list[Class]],
    alias: dict[tuple[str, Class], str],
) -> np.ndarray:
    """The bars (classes, classes) that are not those of another column with a class in the same rows.

    Where one of the two columns is that other, they all stay: they hold the two together.
    """
    if names[0] in {alias[names[1], kind] for kind in kinds[names[1]]}:
        return bars
    bars = bars.copy()
    for lines, name in ((bars, names[1]), (bars.T, names[0])):
        other = np.array([alias[name, kind] not in names for kind in kinds[name]])
        given = np.array([kind is not None for kind in kinds[name]])
        if (other & ~given).any():  # a column with the same gaps says that there is a gap
            lines[lines[:, given].all(axis=1)] = False
        lines[:, other] = False
    return bars


def _deciles(column: pd.Series[Any], codes: np.ndarray, kinds: Sequence[Class]) -> tuple[float, ...]:
    """Of the numbers that are in no class of their own, times in seconds."""
    if column.dtype == object or OTHER not in kinds:
        return ()
    found = np.quantile(
        counted(column)[codes == kinds.index(OTHER)], np.linspace(0, 1, DECILES), method="nearest"
    )
    return tuple(map(float, found))


def _without_implied(
    found: dict[tuple[str, str], np.ndarray],
    kinds: dict[str, list[Class]],
    codes: dict[str, np.ndarray],
    rules: Sequence[Constraint],
) -> None:
    """Take out pairs of labels where what these determine is in a pair: a city has nothing that its country lacks."""
    for rule in rules:
        if not isinstance(rule, Codes) or rule.gaps or not {*rule.columns} <= codes.keys():
            continue  # beside a gap nothing is implied
        _, at = np.unique(codes[rule.on], return_index=True)
        says = codes[rule.of][at]
        for other in codes.keys() - {*rule.columns}:
            own, its = _towards(found, rule.on, other), _towards(found, rule.of, other)
            if own is not None and its is not None:
                own &= ~its[says]


def _towards(found: dict[tuple[str, str], np.ndarray], name: str, other: str) -> np.ndarray | None:
    """The bars of two columns with the classes of `name` first: a view."""
    if (name, other) in found:
        return found[name, other]
    return found[other, name].T if (other, name) in found else None
