"""Advice on steps: the least budget from which on every score is kept, and what is not judged is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabstep
from tabstep.api.advice import Advice, Line
from tabstep.cli.app import app
from tabstep.report.numbers.vector import VECTOR
from tests.test_constraints import shop

BY_NAME = {score.name: score for score in VECTOR}
TREND, RECALL = BY_NAME["trend_corrected"], BY_NAME["beta_recall"]


def line(steps: int, trend: bool, recall: bool) -> Line:
    return Line(
        steps, {TREND.name: 0.9, RECALL.name: 0.8}, {TREND.name: trend, RECALL.name: recall}, steps / 100
    )


def advice(*lines: Line) -> Advice:
    return Advice(
        (TREND, RECALL), (BY_NAME["coverage"],), (*lines, line(1000, True, True)), 500, 1.0, (90, 100)
    )


def test_a_budget_is_enough_from_where_all_larger_ones_are() -> None:
    found = advice(line(1, True, False), line(5, False, False), line(10, True, False), line(20, True, True))
    assert found.enough(TREND) == 10  # one step was luck
    assert found.enough(RECALL) == 20
    assert found.steps == 20
    assert "needs 20 steps" in str(found)
    assert "500 rows take 0.2 s" in str(found)
    assert "not judged, too noisy on so few rows: coverage" in str(found)


def test_no_budget_is_enough_where_one_score_is_never_kept() -> None:
    found = advice(line(1, True, False), line(20, True, False))
    assert found.enough(TREND) == 1
    assert found.enough(RECALL) is None
    assert found.steps is None
    assert "more than 20" in str(found)


def test_a_poor_fit_is_said_to_be_one() -> None:
    found = advice(line(20, True, True))
    assert "poor" not in str(found)
    last = Line(1000, {"c2st_xgboost": 0.98}, {TREND.name: True, RECALL.name: True}, 1.0)
    poor = replace(found, lines=(found.lines[0], last))
    assert "The brief fit is poor (a C2ST of 0.98 with all steps)" in str(poor)
    assert "poor (a C2ST of 0.98 with all steps, time for 9 of 100 steps of training)" in str(
        replace(poor, trained=(9, 100))
    )
    assert str(replace(found, trained=(9, 100))).startswith("The brief fit is poor (time for 9 of 100 steps")


def test_nothing_is_said_where_nothing_judges() -> None:
    found = Advice((), VECTOR, (line(1, True, True), line(1000, True, True)), 50, 1.0, (90, 100))
    assert found.steps is None
    assert str(found).startswith("Nothing can be said")


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.whole
def test_a_report_says_what_it_is_of_and_what_it_needs(tmp_path: Path) -> None:
    method = tabstep.TabDDPM(T=10, steps=3, layers=(8,), batch_size=64)
    tabstep.fit(shop(), method=method, drop="net_again", progress="none").save(tmp_path / "model")
    code, said = call("report", tmp_path / "model")
    assert (code, "is a model: its report needs --real" in said) == (2, True)
    code, said = call("report", "quick", "--real", "my.csv", "--steps", 5, "--results", tmp_path)
    assert (code, "quick holds no model, and --real, --steps" in said) == (2, True)
    code, said = call("report", tmp_path / "model", "--real", tmp_path / "none.csv")
    assert (code, "no file at" in said) == (2, True)
    marked = shop().astype({"net": object})
    marked.loc[0, "net"] = "?"
    marked.to_csv(tmp_path / "marked.csv", index=False)
    code, said = call("report", tmp_path / "model", "--real", tmp_path / "marked.csv")
    assert (code, "column 'net': holds numbers, got '?'" in said) == (2, True)


def test_all_steps_are_drawn_once_and_few_ones_judge_how_they_scatter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scores stand in for those of rows: with all steps 0.9 and 0.5, with few ones they scatter by 0 and by 0.1."""
    drawn: list[int] = []

    def scored(
        model: object, parts: object, n: int, sampler: str, steps: int, seeds: range, aimed: bool
    ) -> Any:
        drawn.append(steps * len(seeds))
        far = 0.0 if steps > 1 else 0.5
        return {
            TREND.name: np.full(len(seeds), 0.9 - far),
            RECALL.name: 0.5 + 0.1 * np.arange(len(seeds)),
        }, 1.0

    monkeypatch.setattr("tabstep.api.advice._drawn", scored)
    method = tabstep.TabDDPM(T=10, steps=3, layers=(8,), batch_size=64)
    found = tabstep.advise(shop(400), budgets=(1, 5, 10), method=method, seconds=None, drop="net_again")
    assert drawn == [3 * 1, 3 * 5, 10]
    assert found.scores == (TREND,)
    assert found.noisy == (RECALL,)
    assert found.steps == 5


def test_advice_refuses_budgets_that_are_none(tmp_path: Path) -> None:
    code, said = call("advise", tmp_path / "my.csv", "--steps", "T")
    assert (code, "--steps takes numbers here" in said) == (2, True)
    code, said = call("advise", tmp_path / "my.csv")
    assert (code, "no file at" in said) == (2, True)


@pytest.mark.slow
def test_from_a_file_to_a_report_and_to_advice(tmp_path: Path) -> None:
    whole = shop(1200).assign(order=[f"O-{i:05}" for i in range(1200)])
    whole["ordered"] = whole["ordered"].dt.strftime("%d/%m/%Y")
    whole.iloc[:800].to_csv(tmp_path / "my.csv", index=False)
    whole.iloc[800:].to_csv(tmp_path / "rest.csv", index=False)
    method = tabstep.TabDDPM(T=50, steps=200, layers=(64,), batch_size=512, lr=3e-3)
    tabstep.fit(tmp_path / "my.csv", method=method, drop="net_again", id="order", progress="none").save(
        tmp_path / "model"
    )
    of = ("--real", tmp_path / "my.csv", "--holdout", tmp_path / "rest.csv", "--out", tmp_path / "r.html")
    code, said = call("report", tmp_path / "model", *of, "--steps", 5)
    assert code == 0, said
    assert "Does it leak?" in said
    assert {path.name for path in tmp_path.glob("r.*")} == {"r.html", "r.json", "r.md"}
    options = ("--drop", "net_again", "--id", "order", "--date", "ordered=%d/%m/%Y", "--missing", "?")
    code, said = call("advise", tmp_path / "my.csv", "--seconds", 3, "--steps", "1,5", *options)
    assert code == 0, said
    assert "in every row: net + tax = gross" in said
    assert "steps" in said.rsplit("margin of the score.", 1)[1]
    same = tabstep.advise(
        tmp_path / "my.csv",
        budgets=(1, 5),
        method=method,
        seconds=None,
        drop="net_again",
        id="order",
        date={"ordered": "%d/%m/%Y"},
        missing="?",
    )
    assert [line.steps for line in same.lines] == [1, 5, 50]


@pytest.mark.parametrize(
    ("rows", "budgets", "said"),
    [
        (100, (2, 5), "too few rows for advice: 25 are left to compare with, 50 are needed"),
        (400, 0, r"budgets must be in 1\.\.1000, got 0"),
        (400, 1000, "there is no budget below all 1000 steps"),
        (400, "5", "budgets must be in"),
    ],
)
def test_what_cannot_be_advised_on_is_refused_before_the_fit(
    rows: int, budgets: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabstep.api.fitting.train", None)
    frame = pd.DataFrame({"x": np.arange(rows) / 8, "k": np.arange(rows) % 3})
    with pytest.raises(ValueError, match=said):
        tabstep.advise(frame, budgets=budgets)
