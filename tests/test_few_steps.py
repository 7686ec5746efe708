"""The study of few steps: losses in margins, the choice of a sampler, and the page, from records with known scores."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.api import started
from tabstep.records.store import Record
from tabstep.registry import POOR_START
from tabstep.samplers.budget_stop import SOLVED, prior_share
from tabstep.samplers.judged import LEAST_ROWS
from tabstep.study import few_steps, glance, seeds
from tabstep.study.paired import difference
from tests import committed
from tests.test_families import record

ROOT = Path(__file__).parents[1]

FULL = {
    **{"catboost_f1_macro": 0.8, "c2st_xgboost": 0.55, "wasserstein": 0.01},
    **{"trend_corrected": 0.99, "beta_recall": 0.5, "coverage": 0.9},
}


def of(dataset: str, sampler: str, steps: int, *, method: str = "tabstep", **worse: float) -> list[Record]:
    """Two sampling seeds whose scores are those of all steps, changed by what is told, and .0001 to either side."""
    made = []
    for seed in range(2):
        plain = record(sampler, steps, seed, 0, 0, suite="few-steps")
        cell = replace(plain.cell, method=method, dataset=dataset)
        scores = {k: [v + worse.get(k, 0.0) + (seed - 0.5) / 5000] for k, v in FULL.items()}
        if method != "tabstep":
            cell = replace(cell, sampler=None, grid=None, steps=None)
        made.append(replace(plain, cell=cell, settings={"method": {"T": 20}}, scores=scores))
    return made


RECORDS = [
    *of("churn2", "ancestral", 20),
    *of("churn2", "ancestral", 5, c2st_xgboost=0.3),
    *of("churn2", "ddim", 5, c2st_xgboost=0.06, catboost_f1_macro=0.05),
    *of("churn2", "dpmpp-2m-sde", 5, c2st_xgboost=0.015, catboost_f1_macro=-0.03),
    *of("house", "ancestral", 20),
    *of("house", "ancestral", 5, coverage=-0.1),
    *of("house", "ddim", 5),
    *of("house", "dpmpp-2m-sde", 5, wasserstein=0.02),
    *of("house", "none", 1, method="mixture", c2st_xgboost=0.2),
]


def test_a_loss_is_the_worst_score_in_its_margins_and_a_regret_that_beside_the_best_sampler() -> None:
    found = few_steps.losses(RECORDS).set_index(["dataset", "sampler"])
    assert found.loc[("churn2", "ddim"), ["loss", "by"]].tolist() == [pytest.approx(2), "c2st_xgboost"]
    assert found.loc[("churn2", "ddim"), "efficacy"] == pytest.approx(-5)  # better than with all steps
    # In efficacy it is the best; in C2ST it is behind the solver, which keeps half a margin.
    assert found.loc[("churn2", "ddim"), "regret"] == pytest.approx(1.5)
    assert found.loc[("churn2", "dpmpp-2m-sde"), "regret"] == pytest.approx(8)
    assert found.loc[("house", "ddim"), ["loss", "regret", "kept_aside"]].tolist() == [0, 0, True]


def test_the_choice_does_not_see_tables_kept_aside() -> None:
    (row,) = few_steps.choice(few_steps.losses(RECORDS)).to_dict("records")
    assert (row["sampler"], row["tables"]) == ("ddim", 1)
    # `ancestral` is 9.5 margins of C2ST from the best there.
    assert (row["next"], row["next_regret"]) == ("dpmpp-2m-sde", pytest.approx(8))


def test_a_sampler_that_lacks_a_table_is_not_chosen() -> None:
    found = few_steps.losses([*RECORDS, *of("wilt", "ancestral", 20), *of("wilt", "ancestral", 5)])
    assert few_steps.choice(found).empty  # only one sampler has both tables: there is nothing to choose from


def test_the_page_counts_the_tables_that_keep_all_scores(tmp_path: Path) -> None:
    page, numbers = few_steps.write(RECORDS, tmp_path)
    text = page.read_text()
    assert "| 5 | `ddim` | 1.50 | `dpmpp-2m-sde` +6.500 (one table) | 0/1 (2.0) | 1/1 (0.0) |" in text
    assert "| `dpmpp-2m-sde` | 0/2 (3.5) |" in text
    assert "| house | mixture (0) | 0.800 | 0.750 | 0.010 |" in text
    assert "Training seeds of each table: 1. Sampling seeds of each network: 2." in " ".join(text.split())
    assert len(pd.read_csv(numbers)) == 6


def test_tables_that_were_drawn_oftener_are_named() -> None:
    oftener = [
        replace(r, cell=replace(r.cell, sample_seed=r.cell.sample_seed + 2)) for r in of("wilt", "ddim", 5)
    ]
    assert seeds.draws_said([*of("wilt", "ddim", 5), *oftener]) == "Sampling seeds of each network: 4."
    others = [*of("churn2", "ddim", 5), *of("house", "ddim", 5)]
    said = seeds.draws_said([*others, *of("wilt", "ddim", 5), *oftener])
    assert said == "Sampling seeds of each network: 2, on wilt 4."


def test_there_is_a_page_before_there_is_a_loss(tmp_path: Path) -> None:
    page, _ = few_steps.write(
        [r for r in RECORDS if r.cell.sampler == "ancestral" and r.cell.steps == 20], tmp_path
    )
    assert "on 0 tables" in page.read_text()


@pytest.mark.whole
def test_a_glance_is_of_the_tables_that_have_all(tmp_path: Path) -> None:
    wanted = [
        *(r for name in ("churn2", "house") for r in of(name, "ancestral", 20)),
        *(r for name in ("churn2", "house") for r in of(name, "none", 1, method="mixture", c2st_xgboost=0.3)),
        *of("wilt", "dpmpp-2m-sde", 5, c2st_xgboost=0.4),  # no other sampler: left out
    ]
    for sampler, worse in zip(glance.BEGINS, (0.2, 0.1, 0.0, 0.05), strict=True):
        wanted += of("churn2", sampler, 5, c2st_xgboost=worse, catboost_f1_macro=-worse)
        wanted += of("house", sampler, 5)
    for sampler in list(glance.BEGINS)[:3]:
        wanted += [r for name in ("churn2", "house") for r in of(name, sampler, 10)]
    table = glance.means(wanted)
    assert set(table["tables"]) == {2}
    line, more = glance.rows(table)
    assert (more["evaluations"], more["C2ST from noise"]) == ("10", "0.550")
    assert more["C2ST from mixture, taught"] == ""  # taught networks are for few evaluations
    assert line == {
        **{"evaluations": "5", "C2ST from noise": "0.650", "efficacy from noise": "87.5 %"},
        **{"C2ST from moments": "0.600", "efficacy from moments": "93.8 %"},
        **{"C2ST from mixture": "0.550", "efficacy from mixture": "100.0 %"},
        **{"C2ST from mixture, taught": "0.575", "efficacy from mixture, taught": "96.9 %"},
    }
    assert glance.said(table).startswith(
        "All 20 steps have a C2ST of 0.550; the mixture alone, with 0 evaluations, 0.850"
    )
    assert [path.suffix for path in glance.write(wanted, tmp_path)] == [".png", ".pdf", ".csv"]
    assert glance.write(RECORDS, tmp_path) == []


def test_what_is_said_of_adult_is_what_the_page_has() -> None:
    root = Path(__file__).parents[1] / "results"
    page = pd.read_csv(root / "few-steps" / "report" / "few-steps.csv")
    adult = page[page["dataset"] == "adult"].set_index(["sampler", "steps"])["c2st_xgboost"] * 0.03
    said = [
        f"{adult[name, K]:.2f}".removeprefix("0")
        for name in ("distilled", "mixture-dpmpp-2m-sde")
        for K in (1, 2)
    ]
    text = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    assert "{} and {} at one and two evaluations beside {} and {}.".format(*said) in text
    lines = (root / "few-steps" / "report" / "few-steps.md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("| `distilled` |") and " / 0." in line)
    one, two = (float(cell.split("/")[0]) for cell in line.split("|")[2:4])
    assert f"{one:.0f} and {two:.0f} in the median over tables" in text


def test_the_readme_names_the_seeds_that_are_there() -> None:
    root = Path(__file__).parents[1]
    records = committed.records("few-steps")
    text = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    assert seeds.said(r for r in records if r.cell.method == "tabstep") in text


def test_a_sampler_that_lacks_networks_is_named(tmp_path: Path) -> None:
    few_steps.write(RECORDS, tmp_path)
    assert "of these" not in (tmp_path / "few-steps.md").read_text()
    second = [replace(r, cell=replace(r.cell, train_seed=1)) for r in RECORDS if r.cell.sampler != "ddim"]
    few_steps.write([*RECORDS, *second], tmp_path)
    text = " ".join((tmp_path / "few-steps.md").read_text().split())
    assert "`ddim` drew from 2 of these 4 networks: means are over these." in text


@pytest.mark.whole
def test_the_page_of_samplers_says_what_the_solver_of_the_study_does() -> None:
    """The two samplers from a mixture, by the records, and which of their differences is decided."""
    records = committed.records("few-steps")
    page = " ".join((ROOT / "docs" / "samplers.md").read_text().split())

    def c2st(dataset: str, sampler: str, steps: int) -> str:
        own = [
            r for r in records if (r.cell.dataset, r.cell.sampler, r.cell.steps) == (dataset, sampler, steps)
        ]
        return f"{np.mean([np.mean(r.scores['c2st_xgboost']) for r in own]):.3f}"[1:]

    solver, usual = "mixture-unipc-2", "mixture-dpmpp-2m-sde"
    on_gesture = [c2st("gesture", *way) for way in ((solver, 5), (usual, 5), ("ancestral", 1000))]
    assert (
        "five evaluations have a C2ST of {} where the default has {} and all steps {}".format(*on_gesture)
        in page
    )
    assert f"on adult {c2st('adult', solver, 5)} to {c2st('adult', usual, 5)}" in page
    found = few_steps.losses(records)
    found = found[~found["kept_aside"]]
    for steps in (3, 5, 8, 10, 20):
        each = found[found["steps"] == steps].pivot(index="dataset", columns="sampler", values="regret")
        more = difference(each[usual].to_dict(), each[solver].to_dict())
        low, high = more.interval
        if steps > 3:
            assert low < 0 < high
        else:
            said = (f"{value:.2f}".removeprefix("0") for value in (more.values.mean(), low, high))
            assert (
                "at 3 the default loses {} margins more, with an interval from {} to {}".format(*said) in page
            )


def test_where_none_is_named_the_begin_says_which_sampler() -> None:
    """A mixture that is told easily has the other sampler, at few evaluations alone."""
    records = [
        r
        for dataset, floor in (("churn2", 0.2), ("house", 0.1))
        for r in (
            *of(dataset, "ancestral", 20),
            *(r for K in (5, 8) for r in of(dataset, "mixture-dpmpp-2m-sde", K, c2st_xgboost=0.06)),
            *(r for K in (5, 8) for r in of(dataset, "mixture-unipc-2", K)),
            *of(dataset, "none", 1, method="mixture", c2st_xgboost=floor),
        )
    ]
    chosen = few_steps.by_begin(records, few_steps.losses(records))
    drawn = chosen.set_index(["dataset", "steps"])["sampler"].to_dict()
    assert drawn == {("churn2", 5): "mixture-unipc-2", ("house", 5): "mixture-dpmpp-2m-sde"}
    said = few_steps.said_of_begin(records, few_steps.losses(records))
    assert (
        "above 0.7: on churn2. So at 5 evaluations 1 of 2 tables keep all scores, 0 with the default" in said
    )
    assert few_steps.said_of_begin(RECORDS, few_steps.losses(RECORDS)) == ""


@pytest.mark.whole
def test_the_page_of_samplers_says_how_many_tables_are_kept_where_none_is_named() -> None:
    records = committed.records("few-steps")
    found = few_steps.losses(records)
    chosen = few_steps.by_begin(records, found)
    usual = found[found["sampler"] == "mixture-dpmpp-2m-sde"]
    keep = [[int((own[own["steps"] == K]["loss"] <= 1).sum()) for K in (3, 5)] for own in (chosen, usual)]
    page = " ".join((ROOT / "docs" / "samplers.md").read_text().split())
    assert (
        "{} and {} of 14 then keep all scores at 3 and 5, {} and {} with the default alone".format(
            *keep[0], *keep[1]
        )
        in page
    )
    assert f"area above {POOR_START:g}".replace("0.", ".") in page
    assert f"at {SOLVED[3]:g} and {SOLVED[5]:g} T for 3 and 5".replace("0.", ".") in page
    assert prior_share(3) < SOLVED[3]
    assert prior_share(5) < SOLVED[5]
    assert f"fewer than {LEAST_ROWS} rows has the default" in page
    assert f"takes {started.ROWS:,} training rows" in few_steps.said_of_begin(records, found)
    # The line is drawn between two tables that defaults may be chosen on, and no other lies between these.
    alone = few_steps.alone_of(records)
    assert sorted(alone, key=alone.__getitem__)[8:10] == ["adult", "churn2"]
    assert alone["adult"] < POOR_START < alone["churn2"]


def test_what_is_said_of_refined_networks_is_what_their_records_have() -> None:
    root = Path(__file__).parents[1]
    found: dict[tuple[str, int, int], dict[str, list[float]]] = {}
    for r in committed.records("few-steps"):
        if r.cell.sampler in ("distilled", "refined"):
            at = found.setdefault((r.cell.dataset, r.cell.train_seed, r.cell.steps or 0), {})
            at.setdefault(r.cell.sampler, []).append(float(np.mean(r.scores["c2st_xgboost"])))
    gains: dict[tuple[str, int], list[float]] = {}
    for (table, _, K), of in found.items():
        if "refined" in of:
            gains.setdefault((table, K), []).append(float(np.mean(of["distilled"]) - np.mean(of["refined"])))
    text = " ".join((root / "docs" / "samplers.md").read_text(encoding="utf-8").split())
    gain = {at: f"{np.mean(of):.3f}".removeprefix("0").removeprefix("-0") for at, of in gains.items()}
    (said,) = re.findall(r"At one and two evaluations that takes (.*?) off the C2ST", text)
    of = {table: (gain[table, 1], gain[table, 2]) for table in ("gesture", "adult", "cardio")}
    assert said == ", ".join(f"{one} and {two} on {table}" for table, (one, two) in of.items())
    for table in ("king", "default"):
        assert f"at two {gain[table, 2]} on {table}" in text
        assert np.mean(gains[table, 1]) == pytest.approx(0, abs=0.004)
    same = sorted({table for table, _ in gains if all(g == 0 for K in (1, 2) for g in gains[table, K])})
    assert f"On {', '.join(same[:-1])} and {same[-1]} every network stayed as it was." in text
