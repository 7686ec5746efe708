"""What papers say, held against the race: paired by table and by the other choice, every score with its own sign."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tabstep.records.store import Record
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.report.numbers.vector import VECTOR
from tabstep.study import carried, race
from tests import committed
from tests.test_race import of

ORDER = "order two (`dpmpp-2m`) beats order one (`ddim`)"
EVEN = "even times without t = 1 (`trailing`) beat those with it (`linspace`)"
BEGIN = "to begin at rows of a mixture beats noise"
TABLES = ("churn2", "wilt")


def told(records: list[Record], text: str, score: str = "c2st_xgboost") -> np.ndarray:
    found = carried.asked(records)
    (line,) = found[(found["score"] == score) & (found["text"] == text)].to_dict("records")
    return line["difference"].values


def test_a_saying_of_samplers_is_paired_by_grid_and_table() -> None:
    values = {
        ("ddim", "trailing"): (0.60, 0.70),
        ("dpmpp-2m", "trailing"): (0.56, 0.62),
        ("ddim", "dp"): (0.58, 0.66),
        ("dpmpp-2m", "dp"): (0.56, 0.62),
        ("ddim", "quad"): (0.99, 0.99),  # no other on this grid
    }
    records = [
        of(pair, name, v) for pair, both in values.items() for name, v in zip(TABLES, both, strict=True)
    ]
    assert told(records, ORDER) == pytest.approx([-0.03, -0.06])
    assert told(records, ORDER, "coverage") == pytest.approx([0, 0])
    low, high = stats.ttest_1samp([-0.03, -0.06], 0).confidence_interval(0.95)
    (row,) = [row for row in carried.rows(carried.asked(records)) if row["claim"] == ORDER]
    assert row == {"claim": ORDER, "of": "Lu et al. 2022", "at 5": f"-0.045 [{low:+.3f}, {high:+.3f}]"}


def test_a_saying_of_grids_leaves_out_what_begins_elsewhere_and_one_of_starts_takes_the_mean_of_updates() -> (
    None
):
    values = {
        ("ddim", "trailing"): 0.60,
        ("ddim", "linspace"): 0.70,
        ("mixture-ddim", "trailing"): 0.56,
        ("mixture-ddim", "linspace"): 0.50,
        ("ancestral", "trailing"): 0.58,
        ("mixture-ancestral", "trailing"): 0.52,
    }
    records = [of(pair, name, v) for pair, v in values.items() for name in TABLES]
    assert told(records, EVEN) == pytest.approx([-0.10, -0.10])
    # ddim on two grids, -.04 and -.20; ancestral on one, -.06
    assert told(records, BEGIN) == pytest.approx([-0.10, -0.10])


def test_below_nought_is_better_by_scores_that_rise_and_by_those_that_fall() -> None:
    records = []
    for name, shift in zip(TABLES, (1.0, 1.1), strict=True):
        for sampler, better in (("ddim", 0.0), ("dpmpp-2m", 0.005)):
            plain = of((sampler, "trailing"), name, 0.6)
            moved = {
                s.metrics[plain.task]: [
                    float(np.mean(plain.scores[s.metrics[plain.task]]))
                    + better * shift * (-1 if s.lower else 1)
                ]
                for s in VECTOR
            }
            records.append(replace(plain, scores=plain.scores | moved))
    found = carried.asked(records)
    mine = found[found["text"] == ORDER]
    assert [*mine["score"]] == [score.name for score in VECTOR]
    assert all(d.told and d.values.mean() == pytest.approx(-0.00525) for d in mine["difference"])
    assert {tuple(row.values())[1:] for row in carried.tally(mine)} == {("1", "1", "0")}
    turned = [
        replace(
            r, cell=replace(r.cell, sampler={"ddim": "dpmpp-2m", "dpmpp-2m": "ddim"}[r.cell.sampler or ""])
        )
        for r in records
    ]
    mine = carried.asked(turned)
    assert {tuple(row.values())[1:] for row in carried.tally(mine)} == {("1", "0", "1")}
    assert carried.section([]) == []


def test_sayings_are_of_what_the_race_runs() -> None:
    ways = {*race.RACE.samplers}
    for saying in carried.SAYINGS:
        for pair in saying.pairs:
            for name in pair:
                where = SAMPLERS if saying.choice == "sampler" else GRIDS
                assert name in where
                assert any(name in way for way in ways)
        assert all(name in SAMPLERS for name in saying.among)
    assert len({saying.text for saying in carried.SAYINGS}) == len(carried.SAYINGS)


@pytest.mark.whole
def test_docs_say_of_papers_what_the_records_give() -> None:
    found = carried.asked(race.everyone(committed.records("race")))
    page = " ".join((Path(__file__).parents[1] / "docs" / "samplers.md").read_text().split())
    by = {row["by"]: row for row in carried.tally(found)}
    questions = len(found) // len(VECTOR)
    c2st, efficacy = by["C2ST (XGBoost)"], by["efficacy (F1, R²)"]
    assert f"C2ST decides {c2st['decided']} of {questions} questions, efficacy {efficacy['decided']}" in page
    mine = found[found["score"] == "c2st_xgboost"].set_index(["text", "steps"])["difference"]

    def size(text: str, steps: int) -> str:
        assert mine[text, steps].told
        return f"{abs(float(mine[text, steps].values.mean())):.3f}".lstrip("0")

    orders = [size(ORDER, steps) for steps in (5, 10, 20, 50)]
    assert f"takes {', '.join(orders[:3])} and {orders[3]} off the C2ST of `ddim` at 5, 10, 20 and 50" in page
    begins = [size(BEGIN, steps) for steps in (5, 10, 20)]
    assert f"a mixture instead of noise {', '.join(begins[:2])} and {begins[2]} at 5, 10 and 20" in page
    even = [size(EVEN, steps) for steps in (5, 10, 20)]
    assert f"`trailing` instead of `linspace` {', '.join(even[:2])} and {even[2]}" in page
    (logsnr,) = [s.text for s in carried.SAYINGS if s.pairs == (("logsnr", "linspace"),)]
    assert mine[logsnr, 5].values.mean() > 0
    assert f"`logsnr` costs {size(logsnr, 5)} at 5" in page
    (noise,) = [s.text for s in carried.SAYINGS if s.pairs == (("dpmpp-2m-sde", "dpmpp-2m"),)]
    assert all(mine[noise, steps].values.mean() > 0 for steps in (5, 10))
    assert f"noise beside order two {size(noise, 5)} and {size(noise, 10)} at 5 and 10" in page
    undecided = {(("unipc-2", "dpmpp-2m"),), (("ddim", "ancestral"),), (("dp", "trailing"),)}
    for saying in carried.SAYINGS:
        if saying.pairs in undecided:
            assert not any(mine[saying.text, steps].told for steps in (5, 10, 20, 50))
    assert (
        "a corrector, `ddim` instead of `ancestral`, and `dp` instead of `trailing` are told at none" in page
    )
    (ddim,) = [s.text for s in carried.SAYINGS if s.pairs == (("ddim", "ancestral"),)]
    far = found[(found["score"] == "wasserstein") & (found["text"] == ddim)].set_index("steps")["difference"]
    assert [steps for steps, d in far.items() if d.told and d.values.mean() > 0] == [5, 10, 20]
    assert "by Wasserstein `ddim` is the worse one up to 20" in page
