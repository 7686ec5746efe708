"""Which of two is better, who ranks where, and how sure that is: statistics over records of several datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from tabstep.records.store import Record
from tabstep.report.numbers.table import REAL_ROWS
from tabstep.report.numbers.vector import EFFICACY, VECTOR, Score

Missing = Literal["drop", "worst", "floor"]
MISSING: tuple[Missing, ...] = ("drop", "worst", "floor")
FLOOR = "marginals"  # the method whose score stands in for missing ones under the policy "floor"
LEVEL = 0.05
MARGIN = 0.01  # "equal" is within this part of the second's score
LEAST_MARGIN = 0.001  # and within this in any case: no part of a score near 0 could be shown
DUST = 1e-9  # differences that scatter by less than this part of the scores differ by rounding alone

Unit = tuple[str, int, int]  # dataset, training seed, sampling seed
Over = Literal["datasets", "training seeds", "sampling seeds"]


@dataclass(frozen=True)
class Verdict:
    """Scores of a first entrant less those of a second, paired by dataset, training and sampling seed.

    datasets, pairs  that both entrants have
    over             what the sample is, `size` of them: datasets; of one dataset its training seeds; of one training
                     seed its sampling seeds, and then the verdict is on those two networks, not on two methods
    difference       mean over datasets of the mean over training seeds of the mean over sampling seeds
    low, high        its 95 % t-interval over the sample; NaN where the sample does not scatter
    effect           Cohen's d of the sample; NaN where it does not scatter
    p_different      two-sided, that the means are equal
    p_equal          of two one-sided tests (Schuirmann 1987), that they differ by `margin` or more
    margin           mean over datasets of `MARGIN` of the second's score there, but `LEAST_MARGIN` at least
    says             better, worse or equal where a test at 5 % says so; else undecided, as where nothing scatters:
                     then both p-values are 1, since no test can be made
    """

    datasets: int
    pairs: int
    over: Over
    size: int
    difference: float
    low: float
    high: float
    effect: float
    p_different: float
    p_equal: float
    margin: float
    says: Literal["better", "worse", "equal", "undecided"]


def name_of(record: Record) -> str:
    """The entrant that a record belongs to: method, settings, sampler, grid and steps, as far as it has them."""
    c = record.cell
    steps = None if c.steps is None else str(c.steps)
    parts = (c.method, None if c.params == "default" else c.params, c.sampler, c.grid, steps)
    return " ".join(part for part in parts if part)


def entrants(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """For each dataset its entrants but the ceiling, each with its first record.

    Those come first whose ranks on the dataset are best, in the mean over the scores of the vector that all have.
    """
    found: dict[str, dict[str, Record]] = {}
    for r in sorted(records, key=lambda r: (r.cell.dataset, r.cell.train_seed, r.cell.sample_seed)):
        if r.status == "ok" and r.scores.get(EFFICACY.metrics[r.task]) and r.cell.method not in REAL_ROWS:
            found.setdefault(r.cell.dataset, {}).setdefault(name_of(r), r)
    ordered = {}
    for dataset, of in found.items():
        tables = [
            _means([r for r in records if r.cell.dataset == dataset], score)[list(of)] for score in VECTOR
        ]
        ranks = pd.concat(
            table.rank(axis=1, ascending=False) for table in tables if table.notna().all(axis=None)
        )
        place = ranks.mean()
        ordered[dataset] = {name: of[name] for name in sorted(of, key=lambda name: (place[name], name))}
    return ordered


def units(records: Iterable[Record], score: Score = EFFICACY) -> dict[str, dict[Unit, float]]:
    """For each entrant one score, by dataset and seeds: the mean over evaluator seeds of 1 less what is short of best.

    So it is better higher, whatever the score; of a score that is best at 1 it is the score itself.
    """
    found: dict[str, dict[Unit, float]] = {}
    for r in records:
        of = found.setdefault(name_of(r), {})
        values = r.scores.get(score.metrics[r.task])
        if r.status == "ok" and values:
            unit = (r.cell.dataset, r.cell.train_seed, r.cell.sample_seed)
            of[unit] = 1 - score.shortfall(float(np.mean(values)))
    return found


def versus(
    first: dict[Unit, float],
    second: dict[Unit, float],
    margin: float = MARGIN,
    least: float = LEAST_MARGIN,
) -> Verdict:
    """Compare two entrants on what both have. Raises ValueError with fewer than two pairs.

    Equal is within the part `margin` of the second's score, and within `least` in any case.

    The sample is the topmost level that there are two of. With two or more datasets it is they, each by its mean
    difference, as seeds of one table say nothing about another. Within one dataset it is the training seeds, each by
    its mean over sampling seeds: rows of one network share what its training left to chance. With one training seed its
    sampling seeds are left, which tell two networks apart and no more. So few datasets or networks decide little, and
    say so. A score below 0 counts as 0: how much worse than the mean of the target rows teach would drown all else.
    """
    common = sorted(set(first) & set(second))
    if len(common) < 2:
        raise ValueError(f"two pairs of cells are needed for a comparison, found {len(common)}")
    by: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for dataset, train, sample in common:
        unit = (dataset, train, sample)
        of = by.setdefault(dataset, {}).setdefault(train, [])
        of.append((max(first[unit], 0.0), max(second[unit], 0.0)))
    trained = {d: [np.mean(pairs, axis=0) for pairs in seeds.values()] for d, seeds in by.items()}
    tables = [np.mean(networks, axis=0) for networks in trained.values()]
    over, scores = _sample(tables, next(iter(trained.values())), next(iter(next(iter(by.values())).values())))
    bound = float(np.mean([max(margin * float(base), least) for _, base in tables]))
    differences = scores[:, 0] - scores[:, 1]
    mean, n = float(differences.mean()), len(differences)
    deviation = float(differences.std(ddof=1))
    half, effect, different, equal = float("nan"), float("nan"), 1.0, 1.0
    if deviation > DUST * float(scores.max()):
        t, error = stats.t(n - 1), deviation / n**0.5
        different = 2 * float(t.sf(abs(mean) / error))
        equal = max(float(t.sf((mean + bound) / error)), float(t.cdf((mean - bound) / error)))
        half, effect = float(t.ppf(1 - LEVEL / 2)) * error, mean / deviation
    says: Literal["better", "worse", "equal", "undecided"] = "undecided"
    if equal < LEVEL:
        says = "equal"  # as far as anyone cares, also where the difference is sure
    elif different < LEVEL:
        says = "better" if mean > 0 else "worse"
    where = len(by), len(common), over, n
    return Verdict(*where, mean, mean - half, mean + half, effect, different, equal, bound, says)


def _sample(*levels: Sequence[Any]) -> tuple[Over, np.ndarray]:
    """The topmost of datasets, training seeds and sampling seeds with two members or more, and their scores (n, 2)."""
    return next(
        (name, np.array(level)) for name, level in zip(get_args(Over), levels, strict=True) if len(level) > 1
    )


@dataclass(frozen=True)
class Ranking:
    """Ranks of entrants over datasets; 1 is best, ties share the mean of their ranks.

    standing   (datasets, entrants) mean over the scores of the vector of the rank by each: none decides alone
    by_score   (entrants, scores) mean over datasets of the rank by each score
    mean_rank  by entrant, best first: mean over datasets of the rank of its standing
    friedman   p of Friedman's test that all are alike; NaN with fewer than three entrants or two datasets
    nemenyi    (entrants, entrants) p-values of pairs, best first; NaN with one dataset
    note       by which scores, what was left out or filled in, and by which policy
    """

    standing: pd.DataFrame
    by_score: pd.DataFrame
    mean_rank: pd.Series[float]
    friedman: float
    nemenyi: pd.DataFrame
    note: str


def rank(records: Sequence[Record], missing: Missing = "drop", only: Sequence[str] = ()) -> Ranking:
    """Rank entrants on each dataset by the mean of their ranks by every score of the vector that all of them have.

    missing  what a missing score does: "drop" leaves the score out on the datasets where anyone has none, and the
             dataset where none is left; "worst" gives it the last rank there; "floor" the score of `marginals` there

    Raises ValueError that says what is missing where nothing can be ranked.
    """
    if missing not in MISSING:
        raise ValueError(f"missing must be one of {', '.join(MISSING)}, got {missing!r}")
    tables = {score.name: _means(records, score) for score in VECTOR}
    everyone = [str(name) for name in tables[EFFICACY.name]]
    unknown = [name for name in only if name not in everyone]
    if unknown:
        raise ValueError(f"no entrant {unknown[0]!r}; there are: {', '.join(everyone)}")
    chosen = list(only) or everyone
    silent = [name for name in chosen if all(of[name].isna().all() for of in tables.values())]
    chosen = [name for name in chosen if name not in silent]
    whole = {score: of for score, of in tables.items() if not of[chosen].isna().all().any()}
    filled, note = _filled({s: of[chosen] for s, of in whole.items()}, missing, tables)
    ranks = {score: of.rank(axis=1, ascending=False) for score, of in filled.items() if len(of)}
    notes = [f"{len(silent)} entrants have no score of all their cells and no rank"] if silent else []
    notes.append(f"by {', '.join(ranks)}{' alone' * (len(ranks) == 1)}" if ranks else "by no score")
    partly = [
        score for score, of in tables.items() if score not in whole and of[chosen].notna().any(axis=None)
    ]
    notes += [f"left out, as not all have it: {', '.join(partly)}"] * bool(partly)
    note = "; ".join([*notes, note])
    if len(chosen) < 2 or not ranks:
        raise ValueError(f"nothing can be ranked: {len(chosen)} entrants, {len(ranks)} scores; {note}")
    standing = pd.concat(ranks.values()).groupby(level="dataset").mean()
    placed = standing.rank(axis=1)
    order = placed.mean().sort_values(kind="stable")
    several = len(standing) > 1
    friedman = float("nan")
    if several and len(chosen) > 2:
        friedman = float(stats.friedmanchisquare(*(standing[c] for c in standing)).pvalue)
    names = list(order.index)
    p = np.full((len(names), len(names)), np.nan)
    if several:
        import scikit_posthocs as posthocs

        p = posthocs.posthoc_nemenyi_friedman(placed[names].to_numpy()).to_numpy()
    by_score = pd.DataFrame({score: of.mean() for score, of in ranks.items()}).loc[names]
    return Ranking(standing, by_score, order, friedman, pd.DataFrame(p, names, names), note)


def wilcoxon_holm(ranking: Ranking) -> pd.DataFrame:
    """(entrants, entrants) p-values of signed-rank tests of pairs over datasets, corrected by Holm's method."""
    from statsmodels.stats.multitest import multipletests

    names = list(ranking.mean_rank.index)
    values = ranking.standing[names]
    pairs = list(combinations(range(len(names)), 2))
    raw = []
    for i, j in pairs:
        apart = values.iloc[:, i] - values.iloc[:, j]
        raw.append(1.0 if (apart == 0).all() else float(stats.wilcoxon(apart).pvalue))
    out = np.ones((len(names), len(names)))
    for (i, j), p in zip(pairs, multipletests(raw, method="holm")[1], strict=True):
        out[i, j] = out[j, i] = p
    return pd.DataFrame(out, names, names)


def _means(records: Sequence[Record], score: Score) -> pd.DataFrame:
    """Mean of a score (datasets, entrants), better higher: over sampling seeds, then over training seeds; NaN without,
    and where some of its cells have it and some do not: failing on hard seeds is no merit.

    The real rows are a ceiling and no entrant.
    """
    entrants = [r for r in records if r.cell.method not in REAL_ROWS]
    cells = Counter((name_of(r), r.cell.dataset) for r in entrants)
    rows = {}
    for name, scores in units(entrants, score).items():
        scored = Counter(dataset for dataset, _, _ in scores)
        scores = {u: v for u, v in scores.items() if scored[u[0]] == cells[name, u[0]]}
        of: dict[str, dict[int, list[float]]] = {}
        for (dataset, train, _), value in scores.items():
            of.setdefault(dataset, {}).setdefault(train, []).append(value)
        means = {d: float(np.mean([np.mean(v) for v in seeds.values()])) for d, seeds in of.items()}
        # What differs by rounding alone is tied.
        rows[name] = {d: round(mean, 12) for d, mean in means.items()}
    datasets = sorted({r.cell.dataset for r in records})
    return pd.DataFrame(rows, index=pd.Index(datasets, name="dataset"), dtype=float)


def _filled(
    tables: dict[str, pd.DataFrame], missing: Missing, everyone: dict[str, pd.DataFrame]
) -> tuple[dict[str, pd.DataFrame], str]:
    """The tables without gaps, by the policy, and what was done."""
    gaps = sum(int(of.isna().to_numpy().sum()) for of in tables.values())
    if not gaps:
        return tables, "no score is missing"
    holes = {score: list(of.index[of.isna().any(axis=1)]) for score, of in tables.items()}
    alone = len(tables) == 1
    where = ", ".join(d if alone else f"{score} on {d}" for score, found in holes.items() for d in found)
    if missing == "drop":
        return (
            {score: of.dropna() for score, of in tables.items()},
            f"policy drop: {gaps} scores are missing, so these are left out: {where}",
        )
    if missing == "worst":
        return (
            {score: of.fillna(-np.inf) for score, of in tables.items()},
            f"policy worst: {gaps} missing scores rank last on {where}",
        )
    floors = {score: of.get(FLOOR) for score, of in everyone.items()}
    filled = {}
    for score, of in tables.items():
        floor = floors[score]
        if holes[score] and (floor is None or floor[holes[score]].isna().any()):
            raise ValueError(f"policy floor needs the scores of {FLOOR!r} on {where}")
        filled[score] = of if floor is None else of.apply(lambda column, floor=floor: column.fillna(floor))
    return filled, f"policy floor: {gaps} missing scores are those of {FLOOR} on {where}"
