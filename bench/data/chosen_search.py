"""Labels that say which of some columns another repeats, see `data.chosen`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.chosen import Chosen
from tabstep.data.comparable import plain

FIRST = 64  # rows with a label that candidates are tried on before all are
FEWEST = 3  # values of a column that is repeated
LEAST = 30  # rows with a label that has one value alone
DIFFER = 16  # rows with a label in which two columns would differ, were they drawn apart
MOST_LABELS = 12  # of a column that says which
MOST_REPEATED = 60  # columns of one kind that are held against each other


def chosen(
    frame: pd.DataFrame, names: Sequence[str], few: Sequence[str], steps: Mapping[str, float]
) -> list[Chosen]:
    """Rules that hold in all rows of a frame in common units, those first that say most; of equals the later column.

    names  columns that may be repeated, or repeat others
    few    columns of few values, which may say which
    steps  of the grids of numbers and times: what is repeated is on that of the column that repeats it
    """
    labels = {name: pd.factorize(frame[name], use_na_sentinel=False) for name in few}
    labels = {name: found for name, found in labels.items() if 1 < len(found[1]) <= MOST_LABELS}
    kinds = {name: str(frame[name].dtype) for name in names if frame[name].nunique() >= FEWEST}
    found: list[Chosen] = []
    for kind in dict.fromkeys(kinds.values()) if labels else ():
        group = [name for name in kinds if kinds[name] == kind][:MOST_REPEATED]
        values = _codes(frame[group])
        # Of equals the first is taken: a gap says nothing where it is no value.
        ways = (values + 1, values) if (values < 0).any() else (values,)
        for on, (marks, seen) in labels.items():
            by_label = {plain(label): np.flatnonzero(marks == k) for k, label in enumerate(seen)}
            by_label = dict(sorted(by_label.items(), key=_place))
            found += [rule for codes in ways for rule in _told(frame, group, codes, on, by_label, steps)]
    place = {str(name): i for i, name in enumerate(frame.columns)}
    return sorted(
        found, key=lambda rule: (-len(rule.repeats), -len(rule.values), -place[rule.of], place[rule.on])
    )


def whole(rule: Chosen, frame: pd.DataFrame) -> bool:
    """Whether every label says what the column has; of gaps it may say nothing."""
    labels = {label for label, _ in (*rule.repeats, *rule.values)} - {None}
    return len(labels) == frame[rule.on].nunique()


def _codes(frame: pd.DataFrame) -> np.ndarray:
    """Columns (n, d) of one kind by the places of their values among those of all, -1 for gaps."""
    flat = pd.concat([frame[name] for name in frame], ignore_index=True)
    return pd.factorize(flat)[0].reshape(frame.shape[1], len(frame)).T


def _told(
    frame: pd.DataFrame,
    names: Sequence[str],
    codes: np.ndarray,
    on: str,
    by_label: Mapping[Any, np.ndarray],
    steps: Mapping[str, float],
) -> Iterator[Chosen]:
    """The rules by which one column says which of some others, `names` with their `codes` (n, d), one of them has.

    codes     of values, -1 for what says nothing
    by_label  the rows with each label of the column `on`
    """
    same = [_same(codes[rows]) for rows in by_label.values()]
    for i, of in enumerate(names):
        if of == on or not any(alike[i].any() for alike in same):
            continue
        repeats: list[tuple[Any, str]] = []
        single: list[tuple[Any, Any]] = []
        for (label, rows), alike in zip(by_label.items(), same, strict=True):
            sources = (
                name
                for k, name in enumerate(names)
                if alike[i, k] and name not in (of, on) and _fits(name, of, steps)
            )
            source = next(sources, None)
            if source is not None:
                repeats.append((label, source))
            elif frame[of].dtype.kind not in "mM" and (row := _of_one_value(codes[rows, i])) is not None:
                single.append((label, plain(frame[of].iloc[rows[row]])))
        sources_of = dict.fromkeys(name for _, name in repeats)
        if repeats and (len(sources_of) > 1 or len(repeats) < len(by_label)):  # else the one is the other
            lacking = _lacking(frame, [of, *sources_of])
            yield Chosen(on, of, tuple(repeats), tuple(single), lacking, gaps=bool((codes < 0).any()))


def _place(item: tuple[Any, Any]) -> tuple[bool, bool, Any]:
    """Numbers and texts in their order, a gap last."""
    label = item[0]
    return label is None, isinstance(label, str), 0 if label is None else label


def _same(codes: np.ndarray) -> np.ndarray:
    """Which two columns (d, d) bool are the same in all of some rows (n, d) that have both, and not by luck."""
    few = codes[:FIRST]
    found = np.array(_may_be_same(few[:, :, None], few[:, None, :]).all(axis=0))
    np.fill_diagonal(found, False)
    for i in np.flatnonzero(found.any(axis=1)):
        others = np.flatnonzero(found[i])
        found[i, others] = _may_be_same(codes[:, [i]], codes[:, others]).all(axis=0)
        for other in np.flatnonzero(found[i]):
            found[i, other] = not _is_luck(codes[(codes[:, [i, other]] >= 0).all(axis=1), i])
    return found


def _may_be_same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a == b) | (a < 0) | (b < 0))


def _is_luck(codes: np.ndarray) -> bool:
    """Whether a column of the same shares would hardly ever differ from this (n,), were it drawn apart."""
    shares = np.unique(codes, return_counts=True)[1] / max(1, len(codes))
    return len(codes) * (1 - float((shares**2).sum())) < DIFFER


def _of_one_value(codes: np.ndarray) -> int | None:
    """A row that has the one value that all rows (n,) have, a gap where none has one; None where they do not, or are
    few."""
    shown = np.flatnonzero(codes >= 0)
    if not len(shown):
        return 0 if len(codes) >= LEAST else None
    return int(shown[0]) if len(shown) >= LEAST and (codes[shown] == codes[shown[0]]).all() else None


def _fits(source: str, of: str, steps: Mapping[str, float]) -> bool:
    """Whether what one column has is on the grid of another."""
    return steps.get(of, 0.0) <= steps.get(source, 0.0) or steps.get(of, 0.0) == 0


def _lacking(frame: pd.DataFrame, names: Sequence[str]) -> tuple[tuple[str, tuple[str | None, ...]], ...]:
    """The labels, None for gaps, that some columns never have, and others of them do."""
    have: dict[str, set[str | None]] = {
        name: set(frame[name].dropna()) if frame[name].dtype == object else set() for name in names
    }
    for name in names:
        if frame[name].isna().any():
            have[name].add(None)
    every = set().union(*have.values())
    return tuple((name, tuple(sorted(every - own, key=str))) for name, own in have.items() if every - own)
