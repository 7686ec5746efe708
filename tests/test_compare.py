"""Statistics over records: planted truth, closed forms, second implementations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tabstep.records.store import Cell, Record
from tabstep.report.numbers.compare import entrants, name_of, rank, units, versus, wilcoxon_holm
from tabstep.report.numbers.front import front, hypervolume, pareto, without_seconds
from tabstep.report.numbers.table import bootstrap, results
from tabstep.report.pages import statistics
from tests.test_report import F1, failed, make


def made(cell: Cell) -> Record:
    return make({"catboost_f1_macro": [0.5, 0.7]}, cell=cell)


Scores = dict[tuple[str, int, int], float]


def planted(
    gap: float, seed: int, datasets: int = 6, seeds: int = 5, noise: float = 0.01
) -> tuple[Scores, Scores]:
    """Scores of two entrants that differ by `gap`: datasets of different difficulty, seeds, noise."""
    rng = np.random.default_rng(seed)
    first, second = {}, {}
    for d in range(datasets):
        level = rng.uniform(0.5, 0.9)
        for s in range(seeds):
            first[(f"d{d}", 0, s)] = level + gap + noise * rng.normal()
            second[(f"d{d}", 0, s)] = level + noise * rng.normal()
    return first, second


def test_a_planted_difference_is_found() -> None:
    verdicts = [versus(*planted(0.02, seed)) for seed in range(50)]
    assert all(v.says == "better" and v.p_different < 0.01 for v in verdicts)
    back = versus(*planted(0.02, 0)[::-1])
    assert back.says == "worse"
    assert back.difference == pytest.approx(-verdicts[0].difference)


@pytest.mark.whole
@pytest.mark.parametrize("datasets", [1, 6])
def test_the_same_is_not_called_different(datasets: int) -> None:
    wrong = sum(versus(*planted(0, seed, datasets)).p_different < 0.05 for seed in range(400))
    assert wrong <= 400 * 0.05 + 2.5 * (400 * 0.05 * 0.95) ** 0.5
    assert wrong > 3  # a test that never errs has no power


def test_equality_is_a_claim_of_its_own() -> None:
    assert versus(*planted(0.001, 0, seeds=40)).says == "equal"
    assert versus(*planted(0, 0, datasets=2, seeds=2, noise=0.1)).says == "undecided"
    # At the margin itself two one-sided tests may call it equal in one of twenty cases.
    wrong = 0
    for seed in range(300):
        first, second = planted(0, seed)
        bound = 0.01 * np.mean(list(second.values()))
        wrong += versus({k: v + bound for k, v in first.items()}, second).says == "equal"
    assert wrong <= 300 * 0.05 + 3 * (300 * 0.05 * 0.95) ** 0.5


def test_one_dataset_is_the_paired_t_test() -> None:
    first, second = planted(0.004, 3, datasets=1, seeds=8)
    found = versus(first, second)
    a, b = list(first.values()), list(second.values())
    wanted = stats.ttest_rel(a, b)
    assert found.p_different == pytest.approx(wanted.pvalue)
    interval = wanted.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.effect == pytest.approx(np.mean(np.subtract(a, b)) / np.std(np.subtract(a, b), ddof=1))
    from statsmodels.stats.weightstats import ttost_paired

    p, _, _ = ttost_paired(np.array(a), np.array(b), -found.margin, found.margin)
    assert found.p_equal == pytest.approx(p)


def test_only_what_both_have_counts() -> None:
    first, second = planted(0.02, 0)
    alone = {("other", 0, 0): 0.1}
    assert versus(first | alone, second) == versus(first, second)
    with pytest.raises(ValueError, match="two pairs of cells are needed for a comparison, found 0"):
        versus(alone, second)


def nested(
    rng: np.random.Generator, trainings: int, samples: int, deviations: tuple[float, float], gap: float = 0.0
) -> tuple[Scores, Scores]:
    """Scores of two entrants on one dataset whose expectations differ by `gap`.

    deviations  of training, and of sampling within a training
    """
    out: list[Scores] = []
    for shift in (gap, 0.0):
        of_training = 0.8 + shift + deviations[0] * rng.normal(size=trainings)
        of_sampling = deviations[1] * rng.normal(size=(trainings, samples))
        out.append(
            {
                ("d", t, s): float(of_training[t] + of_sampling[t, s])
                for t in range(trainings)
                for s in range(samples)
            }
        )
    return out[0], out[1]


def test_one_dataset_is_judged_by_its_training_seeds() -> None:
    first, second = nested(np.random.default_rng(5), 3, 4, (0.01, 0.01))
    found = versus(first, second)
    means = [np.mean([first[("d", t, s)] - second[("d", t, s)] for s in range(4)]) for t in range(3)]
    wanted = stats.ttest_1samp(means, 0)
    assert (found.over, found.size, found.pairs) == ("training seeds", 3, 12)
    assert found.p_different == pytest.approx(wanted.pvalue)
    interval = wanted.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    # A training seed with more samples has no more say, as in the results table.
    more = {("d", 0, s): 0.9 for s in range(4, 40)}
    uneven = versus(first | more, second | {unit: 0.5 for unit in more})
    of_zero = np.mean([first[("d", 0, s)] - second[("d", 0, s)] for s in range(4)]) / 10 + 0.4 * 36 / 40
    assert uneven.difference == pytest.approx((of_zero + means[1] + means[2]) / 3)


def test_one_training_seed_speaks_of_its_networks_only() -> None:
    first, second = nested(np.random.default_rng(1), 1, 5, (0.01, 0.002), gap=0.03)
    found = versus(first, second)
    assert (found.over, found.size) == ("sampling seeds", 5)
    several = versus(*planted(0.02, 0))
    assert (several.over, several.size) == ("datasets", 6)


def rates(
    trainings: int, samples: int, deviations: tuple[float, float], repeats: int, part: float = 0.0
) -> tuple[float, float, float]:
    """Shares of simulations with a false "better" or "worse", a false "equal", an interval that holds the truth.

    part  of the margin that the expectations differ by
    """
    rng = np.random.default_rng(7)
    gap = part * 0.01 * 0.8
    wrong = equal = held = 0
    for _ in range(repeats):
        found = versus(*nested(rng, trainings, samples, deviations, gap))
        wrong += found.says in ("better", "worse")
        equal += found.says == "equal"
        held += found.low <= gap <= found.high
    return wrong / repeats, equal / repeats, held / repeats


def test_sampling_seeds_are_not_more_networks() -> None:
    wrong, _, held = rates(3, 5, (0.01, 0.01), 300)
    assert wrong <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert held >= 0.95 - 3 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("trainings", "samples"), [(2, 1), (2, 5), (3, 5), (5, 1), (5, 5), (10, 1)])
@pytest.mark.parametrize("training", [0.003, 0.01, 0.02])
def test_the_interval_holds_the_truth_and_errors_have_their_level(
    trainings: int, samples: int, training: float
) -> None:
    repeats = 1500
    scatter = 3 * (0.05 * 0.95 / repeats) ** 0.5
    wrong, _, held = rates(trainings, samples, (training, 0.01), repeats)
    assert wrong <= 0.05 + scatter
    assert abs(held - 0.95) <= scatter
    _, equal, held = rates(trainings, samples, (training, 0.005), repeats, part=1.0)
    assert equal <= 0.05 + scatter
    assert abs(held - 0.95) <= scatter


@pytest.mark.parametrize(
    "pairs",
    [
        [(0.82, 0.80), (0.82, 0.80)],
        [(0.80, 0.80), (0.80, 0.80)],
        [(0.4, 0.3), (0.3, 0.2)],  # .1 twice, but for the last bit
        [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)],
    ],
)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_does_not_scatter_decides_nothing(pairs: list[tuple[float, float]], level: int) -> None:
    units_of = [("d0", 0, 0), ("d0", 0, 0), ("d0", 0, 0)]
    named: list[tuple[str, int, int]] = []
    for i, (name, train, sample) in enumerate(units_of[: len(pairs)]):
        named.append((f"d{i}", train, sample) if level == 0 else (name, *((i, 0) if level == 1 else (0, i))))
    found = versus(*({unit: pair[side] for unit, pair in zip(named, pairs, strict=True)} for side in (0, 1)))
    assert (found.says, found.p_different, found.p_equal) == ("undecided", 1.0, 1.0)
    assert np.isnan([found.low, found.high, found.effect]).all()
    assert found.difference == pytest.approx(pairs[0][0] - pairs[0][1])


def test_scores_near_zero_can_be_equal_and_a_failure_drowns_nothing() -> None:
    rng = np.random.default_rng(0)
    near = [{("d", t, 0): 1e-4 * float(rng.normal()) for t in range(20)} for _ in range(2)]
    found = versus(near[0], near[1])
    assert (found.says, found.margin) == ("equal", 0.001)
    # One table where the second teaches nothing at all, by R2 -10: five others still speak.
    first, second = planted(0.02, 0)
    sunk = {("sunk", 0, s): -10.0 + float(rng.normal()) for s in range(5)}
    level = {("sunk", 0, s): 0.02 + 0.001 * float(rng.normal()) for s in range(5)}
    assert versus(first | level, second | sunk).says == "better"
    assert versus(first | sunk, second | {u: v - 5 for u, v in sunk.items()}).difference < 0.02


def records(table: dict[str, dict[str, float | None]]) -> list[Record]:
    """One record for each entrant (a method) and dataset; None is a failed cell."""
    out = []
    for method, scores in table.items():
        for dataset, score in scores.items():
            cell = Cell("s", dataset, method, "default", None, None, None, 0, 0)
            record = replace(made(cell), task="regression", dataset_digest=None)
            if score is None:
                record = replace(record, status="failed", reason="boom", scores={})
            else:
                record = replace(record, scores={"catboost_r2": [score - 0.01, score + 0.01]})
            out.append(record)
    return out


def test_ranks_by_hand() -> None:
    found = rank(
        records(
            {
                "a": {"d": 0.9, "e": 0.8, "f": 0.7},
                "b": {"d": 0.8, "e": 0.8, "f": 0.6},
                "c": {"d": 0.1, "e": 0.2, "f": 0.65},
            }
        )
    )
    assert found.mean_rank.to_dict() == {
        "a": pytest.approx(3.5 / 3),
        "b": pytest.approx(6.5 / 3),
        "c": pytest.approx(8 / 3),
    }
    wanted = stats.friedmanchisquare([0.9, 0.8, 0.7], [0.8, 0.8, 0.6], [0.1, 0.2, 0.65])
    assert found.friedman == pytest.approx(wanted.pvalue)
    assert list(found.nemenyi.index) == ["a", "b", "c"]
    q = (8 - 3.5) / 3 / (3 * 4 / (6 * 3)) ** 0.5 * 2**0.5
    assert found.nemenyi.loc["a", "c"] == pytest.approx(stats.studentized_range.sf(q, 3, np.inf), abs=1e-3)
    assert found.note == "by efficacy alone; no score is missing"


def test_what_missing_scores_do_is_said() -> None:
    table: dict[str, dict[str, float | None]] = {
        "a": {"d": 0.9, "e": 0.9, "f": None},
        "b": {"d": 0.8, "e": 0.8, "f": 0.8},
        "marginals": {"d": 0.1, "e": 0.1, "f": 0.3},
    }
    dropped = rank(records(table))
    assert list(dropped.standing.index) == ["d", "e"]
    assert "policy drop: 1 scores are missing, so these are left out: f" in dropped.note
    worst = rank(records(table), "worst")
    assert worst.mean_rank["a"] == pytest.approx((1 + 1 + 3) / 3)
    assert np.isfinite(worst.nemenyi.to_numpy()).all()
    floor = rank(records(table), "floor")
    assert floor.standing.loc["f", "a"] == 2.5, "as good as `marginals`, and b is better"
    assert floor.mean_rank["a"] == pytest.approx((1 + 1 + 2.5) / 3)
    never = rank(records(table | {"c": {"d": None, "e": None, "f": None}}))
    assert list(never.standing.index) == ["d", "e"]
    assert never.note.startswith(
        "1 entrants have no score of all their cells and no rank; by efficacy alone; policy drop: 1 scores"
    )
    only = rank(records(table), "floor", ["a", "b"])
    assert list(only.standing.columns) == ["a", "b"]
    with pytest.raises(ValueError, match="missing must be one of drop, worst, floor"):
        rank(records(table), "guess")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no entrant 'z'; there are: a, b, marginals"):
        rank(records(table), only=["z"])
    with pytest.raises(ValueError, match="nothing can be ranked"):
        rank(records({"a": {"d": None}, "b": {"d": 0.5}}))


@pytest.mark.whole
def test_many_alike_are_not_told_apart_and_a_worse_one_is() -> None:
    rng = np.random.default_rng(0)
    called = 0
    for _ in range(40):
        table = {m: {f"d{i}": float(rng.normal()) for i in range(10)} for m in "abcd"}
        called += rank(records(table)).friedman < 0.05
    assert called <= 2 + 2.5 * (40 * 0.05 * 0.95) ** 0.5
    table = {m: {f"d{i}": float(rng.normal() - 8 * (m == "d")) for i in range(20)} for m in "abcd"}
    found = rank(records(table))
    assert found.friedman < 0.01
    assert found.mean_rank.index[-1] == "d"
    assert (found.nemenyi.loc["d", ["a", "b", "c"]] < 0.01).all()
    assert (wilcoxon_holm(found).loc["d", ["a", "b", "c"]] < 0.05).all()
    raw = stats.wilcoxon(found.standing["a"] - found.standing["d"]).pvalue
    assert wilcoxon_holm(found).loc["a", "d"] >= raw


def vector(table: dict[str, dict[str, tuple[float | None, float | None]]]) -> list[Record]:
    """Records with R2 and the Wasserstein distance, one for each entrant and dataset; None is no such score."""
    first = records({m: {d: scores[0] for d, scores in of.items()} for m, of in table.items()})
    return [
        record
        if (distance := table[record.cell.method][record.cell.dataset][1]) is None
        else replace(record, scores=record.scores | {"wasserstein": [distance]})
        for record in first
    ]


def test_no_score_ranks_alone() -> None:
    table: dict[str, dict[str, tuple[float | None, float | None]]] = {
        "learns": {d: (0.9, 0.5) for d in "def"},  # best in R2, worst in distance
        "near": {d: (0.7, 0.1) for d in "def"},
        "both": {d: (0.8, 0.2) for d in "def"},
        "neither": {d: (0.6, 0.3) for d in "def"},
    }
    found = rank(vector(table))
    assert found.by_score.loc["learns"].to_dict() == {"efficacy": 1, "wasserstein": 4}
    assert found.by_score.loc["near"].to_dict() == {"efficacy": 3, "wasserstein": 1}
    assert found.standing.loc["d"].to_dict() == {"learns": 2.5, "near": 2, "both": 2, "neither": 3.5}
    assert found.mean_rank.to_dict() == {"near": 1.5, "both": 1.5, "learns": 3, "neither": 4}
    assert found.note == "by efficacy, wasserstein; no score is missing"
    assert list(entrants(vector(table))["d"]) == ["both", "near", "learns", "neither"]


def test_a_score_that_someone_lacks_ranks_no_one_there() -> None:
    table: dict[str, dict[str, tuple[float | None, float | None]]] = {
        "a": {"d": (0.9, 0.5), "e": (0.9, None)},
        "b": {"d": (0.8, 0.1), "e": (0.8, 0.1)},
        "c": {"d": (0.7, 0.2), "e": (0.7, 0.2)},
    }
    found = rank(vector(table))
    assert found.standing.loc["d"].to_dict() == {"a": 2, "b": 1.5, "c": 2.5}
    assert found.standing.loc["e"].to_dict() == {"a": 1, "b": 2, "c": 3}
    assert "policy drop: 1 scores are missing, so these are left out: wasserstein on e" in found.note
    assert rank(vector(table), "worst").standing.loc["e"].to_dict() == {"a": 2, "b": 1.5, "c": 2.5}
    none = rank(vector(table | {"a": {"d": (0.9, None), "e": (0.9, None)}}))
    assert none.note.startswith("by efficacy alone; left out, as not all have it: wasserstein; ")


def test_entrants_are_named_by_what_they_have() -> None:
    bare = made(Cell("s", "d", "smote", "default", None, None, None, 0, 0))
    full = made(Cell("s", "d", "tabddpm", "short", "ddim", "trailing", 5, 1, 2))
    assert [name_of(bare), name_of(full)] == ["smote", "tabddpm short ddim trailing 5"]
    assert set(units([bare, full])) == {"smote", "tabddpm short ddim trailing 5"}


def ladder(scores: dict[str, dict[int, float]], std: float = 0.01) -> pd.DataFrame:
    """A results frame of one dataset: mean score by sampler and steps."""
    rows: list[dict[str, Any]] = [
        {
            "suite": "s", "dataset": "d", "task": "regression", "method": "tabddpm", "params": "default",
            "sampler": sampler, "grid": "trailing", "steps": steps, "metric": "catboost_r2", "mean": mean,
            "std": std, "prepare_s": 0.0, "sample_s": steps / 10, "nfe": steps, "device": "cpu",
        }
        for sampler, of in scores.items()
        for steps, mean in of.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_front_and_its_area_by_hand_and_by_chance() -> None:
    cost, quality = [1, 2, 3, 4, 2], [1, 3, 2, 5, 3]
    assert pareto(cost, quality).tolist() == [True, True, False, True, True]  # equal points are both on it
    assert hypervolume([1, 2, 3], [1, 3, 2], (4, 0)) == 1 * 1 + 2 * 3
    assert hypervolume([5], [1], (4, 0)) == 0
    rng = np.random.default_rng(0)
    c, q = rng.random(12), rng.random(12)
    at = rng.random((200_000, 2))
    hit = ((c <= at[:, :1]) & (q >= at[:, 1:])).any(1).mean()
    assert hypervolume(c, q, (1.0, 0.0)) == pytest.approx(hit, abs=0.005)


def test_what_has_no_price_is_on_no_front_and_is_counted() -> None:
    assert pareto([1, np.nan, 2], [1, 5, np.nan]).tolist() == [True, False, False]
    table = ladder({"fast": {1: 0.7}, "slow": {10: 0.7}})
    assert front(table)["hypervolume"].isna().all()  # all scores are the same: a box without an area
    free = table.assign(sample_s=[np.nan, 1.0], prepare_s=np.nan)
    assert list(front(free)["sampler"]) == ["slow"]
    assert without_seconds(free) == 1


def test_a_sampler_that_is_faster_and_better_has_the_larger_area() -> None:
    table = ladder({"fast": {1: 0.7, 2: 0.8}, "slow": {10: 0.7, 20: 0.8}})
    found = front(table)
    area = found.groupby("sampler")["hypervolume"].first()
    assert area["fast"] > area["slow"]
    assert found.loc[found["sampler"] == "fast", "on_front"].all()
    assert not found.loc[found["sampler"] == "slow", "on_front"].any()
    assert front(results([])).empty


def test_seconds_of_two_devices_are_on_two_fronts() -> None:
    table = ladder({"fast": {1: 0.7, 2: 0.8}, "slow": {10: 0.7, 20: 0.8}})
    card = table.assign(device=["A 100", "A 100", "cpu", "cpu"])
    assert front(card)["on_front"].all(), "fast on a card is not beaten by slow on a CPU, nor beats it"


def test_the_front_knows_every_score_and_which_end_is_better() -> None:
    """Best in R2, best in Wasserstein, second in both, and one that lacks a score."""
    scores = {"a": (0.9, 0.05), "b": (0.7, 0.01), "c": (0.8, 0.02), "d": (0.6, 0.03), "e": (0.95, None)}
    r2 = ladder({name: {10: first} for name, (first, _) in scores.items()})
    distance = ladder({name: {10: second} for name, (_, second) in scores.items() if second is not None})
    found = front(pd.concat([r2, distance.assign(metric="wasserstein")]))

    def on(column: str, score: str) -> set[str]:
        return set(found.loc[found[column] & (found["score"] == score), "sampler"])

    assert on("on_front", "efficacy") == {"e"}
    assert on("on_front", "wasserstein") == {"b"}
    assert on("on_front_of_all", "efficacy") == {"a", "b", "c"}, (
        "d is beaten by c, and of e nothing is claimed"
    )
    assert on("on_front_of_all", "wasserstein") == {"a", "b", "c"}


def test_a_table_without_a_score_that_others_have_is_on_the_page(tmp_path: Path) -> None:
    poor = ladder({"a": {10: 0.9}})
    rich = pd.concat([part := poor.assign(dataset="rich"), part.assign(metric="wasserstein", mean=0.01)])
    statistics.write([], pd.concat([poor, rich]), tmp_path)
    front = (tmp_path / "statistics.md").read_text().split("Quality and seconds")[1]
    rows = {line.split("|")[1].strip(): line for line in front.splitlines() if line.startswith("|")}
    assert "0.9000 *" in rows["rich"]
    assert "0.0100 *" in rows["rich"]
    assert "0.9000 *" in rows[str(poor["dataset"].iloc[0])]


def test_points_that_lack_a_number_neither_beat_nor_stand() -> None:
    nan = float("nan")
    assert pareto([1, 2, nan], [1, 2, 9]).tolist() == [True, True, False]
    assert pareto([1, 1, 1], [[1, 2], [2, nan], [1, 1]]).tolist() == [True, False, False]
    flat = front(ladder({"a": {2: 0.5, 5: 0.5}}))
    assert flat["hypervolume"].isna().all(), "where all scores are one there is no area"


def test_the_bootstrap_is_as_wide_as_the_seeds_scatter() -> None:
    rng = np.random.default_rng(0)
    n = 40
    of_training = [[[0.8 + 0.05 * e]] for e in rng.normal(size=n)]
    found = bootstrap(of_training)
    means = [t[0][0] for t in of_training]
    wanted = 1.96 * np.std(means) / n**0.5
    assert found["boot_low"] is not None
    assert found["boot_high"] is not None
    assert (found["boot_high"] - found["boot_low"]) / 2 == pytest.approx(wanted, rel=0.1)
    # Ten evaluators each: a tenth of the variance between seeds, and as much again from drawing evaluators.
    nested = [[[0.8 + 0.05 * e for e in rng.normal(size=10)]] for _ in range(n)]
    inner = bootstrap(nested)
    assert inner["boot_low"] is not None
    assert inner["boot_high"] is not None
    assert inner["boot_high"] - inner["boot_low"] == pytest.approx(
        2 * 1.96 * 0.05 * (0.2 / n) ** 0.5, rel=0.15
    )
    ragged = bootstrap([[[0.5, 0.7], [0.6]], [[0.9]]])
    assert ragged["boot_low"] is not None
    assert ragged["boot_high"] is not None
    assert 0.5 <= ragged["boot_low"] < ragged["boot_high"] <= 0.9
    assert bootstrap([[[0.5]]]) == {"boot_low": None, "boot_high": None}


def test_failing_on_a_hard_seed_is_no_merit() -> None:
    scores = {"frail": (0.9, 0.6), "solid": (0.9, 0.5), "poor": (0.4, 0.4)}
    records = [
        make({F1: [v]}, method=method, dataset=dataset, sample=sample)
        for method, of in scores.items()
        for dataset in ("easy", "hard")
        for sample, v in enumerate(of)
        if (method, dataset, sample) != ("frail", "hard", 1)
    ]
    records.append(failed(method="frail", dataset="hard", sample=1))
    ranking = rank(records, missing="worst")
    assert ranking.mean_rank.iloc[0] == ranking.mean_rank["solid ddim quad 10"]
    assert "1 missing scores rank last" in ranking.note
    assert rank(records).mean_rank.idxmin().startswith("frail")  # on the table that all have
    assert list(rank(records).standing.index) == ["easy"]
    points = front(results(records))
    assert set(points.loc[points["method"] == "frail", "dataset"]) == {"easy"}
