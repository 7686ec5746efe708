"""The study of parts: what a part is worth, from records with known scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tabstep.records.gather import gather
from tabstep.records.store import Record
from tabstep.study import parts
from tabstep.study.markdown import pipes
from tabstep.study.parts import WHOLE
from tests import committed
from tests.test_families import record
from tests.test_recipe import joined

FULL = {
    **{"catboost_f1_macro": 0.8, "c2st_xgboost": 0.56, "wasserstein": 0.01},
    **{"trend_corrected": 0.99, "beta_recall": 0.9, "coverage": 0.9},
}


def of(dataset: str, params: str, seed: int = 0, steps: int = 50, **worse: float) -> Record:
    plain = record("dpmpp-2m-sde", steps, 0, 0, 0, suite="parts")
    cell = replace(plain.cell, dataset=dataset, method="tabstep", params=params, train_seed=seed)
    return replace(plain, cell=cell, scores={k: [v + worse.get(k, 0.0)] for k, v in FULL.items()})


RECORDS = [
    *(of(name, WHOLE) for name in ("churn2", "wilt", "buddy")),
    of("churn2", "no-ranks", c2st_xgboost=0.03),
    of("wilt", "no-ranks", c2st_xgboost=0.06),
    of("buddy", "no-ranks", c2st_xgboost=-0.03),
    of("churn2", "no-average", coverage=-0.02),
    of("churn2", "none", c2st_xgboost=0.3),
    of("churn2", "none", seed=1),  # without its pair
    of("gesture", "none"),
]


def test_a_part_is_worth_what_its_lack_costs_on_the_same_seed() -> None:
    table = parts.numbers(RECORDS).set_index(["part", "dataset", "score"]).sort_index()
    assert table.loc[("ranks", "wilt", "c2st_xgboost"), "gain"] == pytest.approx(0.06)
    assert table.loc[("ranks", "buddy", "c2st_xgboost"), "gain"] == pytest.approx(-0.03)
    assert table.loc[("average", "churn2", "coverage"), "gain"] == pytest.approx(0.02)
    assert table.loc[("none", "churn2", "c2st_xgboost"), "train_seeds"] == 1
    assert "gesture" not in table.reset_index()["dataset"].tolist()  # nothing to be held against
    assert table.loc[("ranks", "buddy"), "kept_aside"].all()


def test_the_page_has_parts_by_worth_with_tables_kept_aside_by_themselves(tmp_path: Path) -> None:
    parts.write(RECORDS, tmp_path)
    text = (tmp_path / "parts.md").read_text()
    chosen, aside = text.split("Tables it was chosen on")[1].split("Tables kept aside")
    lines = [line.split("|")[1].strip() for line in chosen.splitlines() if line.startswith("|")]
    assert lines[2:] == ["all of them", "ranks", "average"]
    assert "| ranks | 2 | +0.000 (no scatter) | +1.500 [-4.853, +7.853] |" in chosen
    assert "| ranks | 1 | +0.000 (one table) | -1.000 (one table) |" in aside


@pytest.mark.whole
def test_the_page_here_is_made_from_the_records_here(tmp_path: Path) -> None:
    kept = Path(__file__).parents[1] / "results" / "parts"
    parts.write(gather(kept / "runs")[0], tmp_path)
    for name in ("parts.md", "parts.csv"):
        assert (tmp_path / name).read_bytes() == (kept / "report" / name).read_bytes()


def test_the_docs_have_the_glance_of_the_records_here() -> None:
    """Line by line, and of which parts C2ST decides at each budget."""
    root = Path(__file__).parents[1]
    records = committed.records("parts")
    table = parts.numbers(records)
    docs = (root / "docs" / "recipe.md").read_text(encoding="utf-8")
    rows = parts.glance(table)
    for line in pipes(rows):
        assert line in docs
    text = " ".join(docs.split())
    assert f"in the mean over {table['dataset'].nunique()} tables, with a 95 % interval" in text
    for steps in (50, 10, 5):
        told = [(row["part"], row[f"C2ST (XGBoost) at {steps}"]) for row in rows[1:]]
        helps, costs = (
            [f"`{name}`" for name, worth in told if worth.startswith(sign)] for sign in ("**+", "**-")
        )
        assert f"At {steps} evaluations it is decided by C2ST that {joined(helps)} help" in text
        assert f"and that {joined(costs)} cost" in text
    many = 3 * len(rows[1:])
    assert f"Of these {many} intervals about {0.05 * many:.0f} would be bold by chance alone" in text
    levels = table[(table["part"] == "levels") & (table["score"] == "c2st_xgboost") & (table["steps"] == 50)]
    worth = (levels["gain"] / levels["margin"]).set_axis(levels["dataset"])
    assert (
        f"`levels` are worth {worth['default']:.1f} margins on default and cost {-worth['insurance']:.1f}"
        in text
    )
    whole = [
        r.scores["c2st_xgboost"][0]
        for r in records
        if (r.cell.dataset, r.cell.params, r.cell.steps) == ("insurance", WHOLE, 50)
    ]
    assert max(whole) - min(whole) > -0.03 * worth["insurance"]  # networks of one recipe differ by as much
