"""The race of samplers: who goes on, what a choice alone is worth, and that it can be run heat by heat."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tabstep.cli.pages import _records
from tabstep.records import store
from tabstep.records.gather import gather
from tabstep.records.store import Record
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.study import race
from tabstep.study.race import HEATS, Heat
from tests import committed
from tests.test_families import record

GOOD = {
    **{"catboost_f1_macro": 0.8, "c2st_xgboost": 0.53, "wasserstein": 0.01},
    **{"trend_corrected": 0.99, "beta_recall": 0.9, "coverage": 0.9},
}
SMALL = (
    Heat(("churn2", "wilt"), 1, 1, 2),
    Heat(("churn2", "wilt"), 2, 1, 1),
    Heat(("buddy",), 2, 2, 1),
)
ROOT = Path(__file__).parents[1]
PAIRS = (("ddim", "trailing"), ("ddim", "dp"), ("dpmpp-2m-sde", "trailing"), ("dpmpp-2m-sde", "dp"))


def of(
    pair: tuple[str, str], dataset: str, c2st: float, *, seed: int = 0, draw: int = 0, steps: int = 5
) -> Record:
    plain = record(pair[0], steps, draw, 0, 0, suite="race")
    cell = replace(
        plain.cell, dataset=dataset, method="tabstep", params="default", grid=pair[1], train_seed=seed
    )
    return replace(plain, cell=cell, scores={k: [v] for k, v in GOOD.items()} | {"c2st_xgboost": [c2st]})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "HEATS", SMALL)
    monkeypatch.setattr(race, "RACE", replace(race.RACE, samplers=PAIRS, steps=(5,)))


def heat(seeds: int, values: dict[tuple[str, str], float], *names: str, draws: int = 1) -> list[Record]:
    return [
        of(pair, name, value, seed=seed, draw=draw)
        for pair, value in values.items()
        for name in names
        for seed in range(seeds)
        for draw in range(draws)
    ]


FIRST = dict(zip(PAIRS, (0.62, 0.59, 0.56, 0.53), strict=True))


def test_a_regret_is_what_the_worst_score_loses_in_margins() -> None:
    records = heat(1, FIRST, "churn2")
    worse = of(PAIRS[3], "churn2", 0.53)
    records[3] = replace(worse, scores=worse.scores | {"coverage": [0.84]})
    found = race.regrets(records, 1).set_index(race.WAY)
    assert found.loc[PAIRS[0], "regret"] == pytest.approx(3)  # .09 of .03
    assert found.loc[PAIRS[3], "regret"] == pytest.approx(3)  # .06 of .02, of another score
    assert found["by"].to_dict() == dict.fromkeys(PAIRS[:3], "c2st_xgboost") | {PAIRS[3]: "coverage"}


def test_seeds_count_in_the_mean_and_a_pair_that_lacks_one_is_left_out() -> None:
    records = [
        of(PAIRS[0], "churn2", 0.50),
        of(PAIRS[0], "churn2", 0.62, seed=1),
        of(PAIRS[1], "churn2", 0.53),
        of(PAIRS[1], "churn2", 0.53, seed=1),
        of(PAIRS[2], "churn2", 0.50),
    ]
    found = race.regrets(records, 2).set_index(race.WAY)["regret"]
    assert found.to_dict() == {PAIRS[0]: pytest.approx(1), PAIRS[1]: 0}


@pytest.mark.usefixtures("small")
def test_the_best_go_on_as_far_as_the_heats_were_run() -> None:
    assert race.entrants([]) == [{5: PAIRS}, {}, {}]
    one = heat(1, FIRST, "churn2", "wilt")
    assert race.entrants(one) == [{5: PAIRS}, {5: (PAIRS[3], PAIRS[2])}, {}]
    two = [*one, *heat(2, {PAIRS[2]: 0.5, PAIRS[3]: 0.59}, "churn2", "wilt")[1::2]]
    changed = [r for r in two if r.cell.train_seed == 1]
    assert len(changed) == 4
    assert race.entrants(two)[2] == {5: (PAIRS[2],)}  # .53 in the mean against .56


@pytest.mark.usefixtures("small")
def test_the_usual_pair_goes_on_whatever_its_standing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "USUAL", PAIRS[0])
    one = heat(1, FIRST, "churn2", "wilt")
    assert race.entrants(one)[1] == {5: (PAIRS[3], PAIRS[2], PAIRS[0])}
    monkeypatch.setattr(race, "USUAL", PAIRS[3])
    assert race.entrants(one)[1] == {5: (PAIRS[3], PAIRS[2])}


@pytest.mark.usefixtures("small")
def test_what_later_heats_and_tables_kept_aside_say_changes_no_earlier_one() -> None:
    one = heat(1, FIRST, "churn2", "wilt")
    more = [*one, *heat(2, {PAIRS[0]: 0.5}, "buddy", draws=2), of(PAIRS[0], "wilt", 0.0, seed=1)]
    assert race.entrants(more)[1] == race.entrants(one)[1]


@pytest.mark.usefixtures("small")
def test_a_record_without_all_scores_does_not_race() -> None:
    one = heat(1, FIRST, "churn2", "wilt")
    bare = replace(one[-1], scores={"catboost_f1_macro": [0.8]})
    assert race.entrants([*one[:-1], bare])[1] == {5: (PAIRS[2], PAIRS[1])}


def test_who_lacks_a_table_does_not_go_on() -> None:
    records = [*heat(1, FIRST, "churn2"), *heat(1, {PAIRS[0]: 0.6, PAIRS[1]: 0.6}, "wilt")]
    order = race.standings(race.regrets(records, 1))
    assert [*order["grid"]] == ["dp", "trailing"]
    assert {*order["sampler"]} == {"ddim"}


def test_a_choice_alone_is_held_against_the_usual_one_with_the_same_other() -> None:
    found = race.regrets(heat(1, FIRST, "churn2", "wilt", "buddy"), 1)
    (grid,) = race.alone(found, "grid", "trailing").to_dict("records")
    assert (grid["what"], grid["steps"]) == ("dp", 5)
    assert grid["difference"].values.tolist() == pytest.approx([-1, -1])  # by table, without those kept aside
    (sampler,) = race.alone(found, "sampler", "dpmpp-2m-sde").to_dict("records")
    assert sampler["difference"].values.tolist() == pytest.approx([2, 2])


@pytest.mark.usefixtures("small")
def test_a_heat_runs_its_pairs_at_their_budget_with_its_seeds() -> None:
    (suite,) = race.suites(SMALL[1], {5: PAIRS[:1]})
    assert (suite.name, suite.samplers, suite.steps) == ("race", PAIRS[:1], (5,))
    assert (suite.datasets, suite.train_seeds, suite.sample_seeds) == (("churn2", "wilt"), 2, 1)


@pytest.mark.usefixtures("small")
def test_the_page_has_the_last_heat_that_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "USUAL", PAIRS[2])
    one = heat(1, FIRST, "churn2", "wilt")
    race.write(one, tmp_path)
    text = (tmp_path / "race.md").read_text()
    assert "| 1 | 2 of 2 | 1 x 1 | 4 |" in text
    assert "| `dpmpp-2m-sde` | `dp` | 0.00 |  |  |" in text
    assert "| `dpmpp-2m-sde` | `trailing` | 1.00 |  | +1.000 (no scatter) |" in text
    assert "| `dp` | -1.000 (no scatter) |" in text
    use = "| 5 | `dpmpp-2m-sde` on `trailing` | `dpmpp-2m-sde` on `dp` | +1.000 (no scatter) |  | inf |"
    assert use in text
    last = heat(2, {PAIRS[3]: 0.56, PAIRS[2]: 0.53}, "churn2", "wilt")
    aside = heat(2, {PAIRS[2]: 0.59}, "buddy", draws=2)
    race.write([*[r for r in one if r.cell.sampler == "ddim"], *last, *aside], tmp_path)
    table = pd.read_csv(tmp_path / "race.csv")
    assert table.groupby("heat")["dataset"].nunique().to_dict() == {1: 2, 2: 2, 3: 1}
    text = (tmp_path / "race.md").read_text()
    assert "| `dpmpp-2m-sde` | `trailing` | 0.00 | 0.00 |  |" in text
    assert "| 5 | `dpmpp-2m-sde` on `trailing` | `dpmpp-2m-sde` on `trailing` | the same |" in text
    assert "Of 1 differences 0 are bold; 0 would be by chance." in " ".join(text.split())
    assert "`ddim`" not in text.split("## A choice by itself")[0]


def test_another_pair_takes_the_place_of_the_default_only_where_it_is_told_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(race, "USUAL", PAIRS[0])
    # Margins of .03: the usual pair is 3, 2.9 and 3.1 behind on tables chosen on, and 1 on one kept aside.
    usual = {"churn2": 0.59, "wilt": 0.587, "abalone": 0.593}
    aside = race.regrets([of(PAIRS[0], "buddy", 0.53), of(PAIRS[3], "buddy", 0.5)], 1)

    def verdicts(values: dict[str, float]) -> list[race.Verdict]:
        plain = [of(PAIRS[0], name, value) for name, value in values.items()]
        return race.verdicts(race.regrets([*plain, *heat(1, {PAIRS[3]: 0.5}, *values)], 1), aside)

    (told,) = verdicts(usual)
    assert (told.steps, told.first, told.use, told.decided) == (5, PAIRS[3], PAIRS[3], True)
    assert sorted(told.behind.values) == pytest.approx([2.9, 3.0, 3.1])
    assert told.aside.values.tolist() == pytest.approx([1.0])
    assert told.seen == pytest.approx(
        4.303 * 0.1 / 3**0.5, rel=1e-3
    )  # t of two degrees by the standard error
    (undecided,) = verdicts({"churn2": 0.50, "wilt": 0.59, "abalone": 0.51})
    assert (undecided.first, undecided.use) == (PAIRS[3], PAIRS[0])
    assert not race.verdicts(race.regrets(heat(1, {PAIRS[3]: 0.5}, "churn2"), 1), aside)


def test_all_that_race_are_known_and_the_heats_get_narrower() -> None:
    assert len({*race.RACE.samplers}) == len(race.RACE.samplers) == 108
    assert all(sampler in SAMPLERS and grid in GRIDS for sampler, grid in race.RACE.samplers)
    assert [heat.keep for heat in HEATS] == [24, 10, 3, 1, 1]
    assert race.USUAL in race.RACE.samplers
    for last in HEATS[-2:]:
        assert (last.train_seeds, last.sample_seeds) == (race.RACE.train_seeds, race.RACE.sample_seeds)
    assert {*HEATS[-2].datasets, *HEATS[-1].datasets} == {*race.RACE.datasets}
    assert not {*HEATS[-1].datasets} & {name for heat in HEATS[:-1] for name in heat.datasets}


@pytest.mark.whole
def test_the_page_here_is_made_from_the_records_here(tmp_path: Path) -> None:
    results = ROOT / "results" / "race"
    race.write(gather(results / "runs")[0], tmp_path)
    for name in ("race.md", "race.csv"):
        assert (tmp_path / name).read_bytes() == (results / "report" / name).read_bytes()


@pytest.mark.whole
def test_the_page_of_samplers_says_what_the_race_found() -> None:
    page = " ".join((ROOT / "docs" / "samplers.md").read_text().split())
    records = committed.records("race")
    outcome = race.outcome(records)
    assert [verdict.steps for verdict in outcome] == [5, 10, 20, 50]
    assert not any(verdict.decided for verdict in outcome)
    assert "none is told from the default" in page
    *seen, last = (f"{verdict.seen:.1f}".lstrip("0") for verdict in outcome)
    assert f"a difference of {', '.join(seen)} and {last} margins would have been seen" in page
    assert [(v.steps, float(v.aside.values.mean()) < 0) for v in outcome if v.aside.told] == [(50, True)]
    assert "told from the first at 50 alone, and is the better one" in page
    found = race.regrets(race.of(records, HEATS[0], race.entrants(records)[0]), HEATS[0].draws)
    grids, samplers = (
        {
            (line["what"], line["steps"]): line["difference"]
            for line in race.alone(found, *choice).to_dict("records")
        }
        for choice in (("grid", "trailing"), ("sampler", "dpmpp-2m-sde"))
    )
    told = {("linspace", 5): 3.9, ("linspace", 10): 1.6, ("logsnr", 5): 9.4, ("logsnr", 10): 2.3}
    told |= {("logsnr", 20): 0.8, ("quad", 5): 0.8, ("karras", 20): 0.3, ("dp", 20): 0.4}
    assert {key for key, value in grids.items() if value.told} == {*told}
    assert {key: round(float(grids[key].values.mean()), 1) for key in told} == told
    for start, gain in (("mixture", 7), ("free", 5)):
        from_there = {steps: samplers[f"{start}-dpmpp-2m-sde", steps] for steps in (5, 10, 20, 50)}
        assert round(-float(from_there[5].values.mean())) == gain
        assert {steps for steps, value in from_there.items() if value.told} == {5}


def test_pages_of_all_records_have_those_of_the_race_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = of(PAIRS[0], "churn2", 0.5)
    for suite in ("race", "quick"):
        store.write(tmp_path / suite / "runs", replace(plain, cell=replace(plain.cell, suite=suite)))
    assert [*_records(tmp_path, ())] == ["quick"]
    assert "left out race: not to be compared with others; --suite race shows it" in capsys.readouterr().err
    assert [*_records(tmp_path, ("race",))] == ["race"]
    shutil.rmtree(tmp_path / "quick")
    assert [*_records(tmp_path, ())] == ["race"]
    assert not capsys.readouterr().err
