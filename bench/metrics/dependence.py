"""What columns have to do with each other: mutual information of pairs, and marginals of three columns at once.

Independent columns with the right marginals have a `shape` of 1.00 and on most tables a `trend` above 0.9; these two
scores are there to see the difference.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import chosen

MOST = 10_000  # rows of either side, as many of both: information of few rows is overestimated, by the more the fewer
BINS = 10  # of `wnmis`, of equal width, as published
PARTS = (
    5  # of a column in `marginals_3`: bins of equal share of the training rows, or their most frequent labels
)
TRIPLES = 500


def dependence(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """`wnmis`, `marginals_3` and `marginals_3_expected` of as many synthetic rows as real ones, 10,000 at most."""
    n = min(len(synthetic), len(real), MOST)
    some = chosen(synthetic, n, "synthetic", seed=seed), chosen(real, n, "real", seed=seed)
    return wnmis(*some, schema) | marginals_3(*some, train, schema, seed=seed)


def wnmis(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """Weighted similarity of normalised mutual information (Scassola et al. 2026, arXiv 2603.23016), in 0..1.

    1 - sum w |r - s| / sum w over pairs of columns, with the information r and s of real and synthetic rows,
    2 I(a; b) / (H(a) + H(b)), and the weights w = r + s: pairs that have to do with each other on either side count.
    A number column of more than eleven values is in ten bins of the real range, (low, high]; values outside of it and
    gaps are one category. 1 where nothing depends on anything on either side.
    """
    edges = {c: _edges(real[c]) for c in schema.numbers}
    s, r = (_information([_binned(f[c], edges.get(c)) for c in schema.columns]) for f in (synthetic, real))
    weight = r + s
    if not weight.any():
        return {"wnmis": 1.0}
    # A sum of parts may exceed the whole in the last bit.
    return {"wnmis": max(0.0, 1 - float((weight * np.abs(r - s)).sum() / weight.sum()))}


def _edges(column: pd.Series) -> np.ndarray:
    return np.histogram_bin_edges(column.dropna().to_numpy(np.float64), bins=BINS)


def _binned(column: pd.Series, edges: np.ndarray | None) -> np.ndarray:
    if edges is None or column.nunique() <= len(edges):
        return pd.factorize(column, use_na_sentinel=False)[0]
    x = column.to_numpy(np.float64)
    place = np.searchsorted(edges, x, side="left")
    place[x == edges[0]] = 1
    return np.where(np.isnan(x) | (place == len(edges)), 0, place)


def _information(codes: list[np.ndarray]) -> np.ndarray:
    """Normalised mutual information of every pair, in the order of `combinations`."""
    own = [_entropy(c) for c in codes]
    found = []
    for i, j in combinations(range(len(codes)), 2):
        both = own[i] + own[j]
        joint = _entropy(codes[i].astype(np.int64) * (int(codes[j].max()) + 1) + codes[j])
        found.append(2 * max(0.0, both - joint) / both if both > 0 else 0.0)
    return np.array(found)


def _entropy(codes: np.ndarray) -> float:
    """Of the frequencies of codes, in nats."""
    few = int(codes.max()) < 4 * len(codes)
    count = np.bincount(codes) if few else np.unique(codes, return_counts=True)[1]
    share = count[count > 0] / len(codes)
    return float(-(share * np.log(share)).sum())


def marginals_3(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Mean over three columns at a time of 1 - total variation distance of their joint frequencies.

    Numbers are in five bins of equal share of the training rows, labels their four most frequent and the rest; gaps
    are a part of their own. All triples, or 500 at random where there are more; of a table of two columns the pair.
    `marginals_3_expected` is what fresh real rows of the same number have, from the normal approximation of the
    scatter of two shares: 1 - sum of sqrt(p (1 - p) (1 / n + 1 / m) / (2 pi)).
    """
    codes = [_parts(synthetic[c], real[c], train[c], c in schema.numbers) for c in schema.columns]
    triples = _triples(len(codes), seed)
    width = PARTS + 1
    found, expected = [], []
    for triple in triples:
        joint = [np.zeros(len(side), np.int64) for side in codes[0]]
        for c in triple:
            joint = [cell * width + side for cell, side in zip(joint, codes[c], strict=True)]
        counts = [np.bincount(cell, minlength=width ** len(triple)) for cell in joint]
        p, q = (count / count.sum() for count in counts)
        share = sum(counts) / sum(map(len, joint))
        scatter = share * (1 - share) * sum(1 / len(cell) for cell in joint)
        found.append(max(0.0, 1 - np.abs(p - q).sum() / 2))
        expected.append(1 - np.sqrt(scatter / (2 * np.pi)).sum())
    return {"marginals_3": float(np.mean(found)), "marginals_3_expected": float(np.mean(expected))}


def _triples(columns: int, seed: int) -> list[tuple[int, ...]]:
    size = min(3, columns)
    number = columns * (columns - 1) * (columns - 2) // 6
    if number <= TRIPLES:
        return list(combinations(range(columns), size))
    rng = np.random.default_rng(seed)
    drawn: set[tuple[int, ...]] = set()
    while len(drawn) < TRIPLES:
        drawn.add(tuple(sorted(rng.choice(columns, 3, replace=False).tolist())))
    return sorted(drawn)


def _parts(
    synthetic: pd.Series, real: pd.Series, train: pd.Series, number: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Codes 0..PARTS of a column in both tables; the last are the gaps."""
    if number:
        known = train.dropna().to_numpy(np.float64)
        cuts = np.unique(np.quantile(known, np.arange(1, PARTS) / PARTS)) if len(known) else np.empty(0)
        sides = [side.to_numpy(np.float64) for side in (synthetic, real)]
        found = [
            np.where(np.isnan(x), PARTS, np.searchsorted(cuts, x, side="left")).astype(np.int64)
            for x in sides
        ]
    else:
        counts = train.value_counts()
        frequent = sorted(counts.index, key=lambda label: (-counts[label], str(label)))[: PARTS - 1]
        place = {label: i for i, label in enumerate(frequent)}
        found = [
            side.astype(object).map(place).fillna(PARTS - 1).where(side.notna(), PARTS).to_numpy(np.int64)
            for side in (synthetic, real)
        ]
    return found[0], found[1]
