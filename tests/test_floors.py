"""Floors in tables and figures: marked, drawn as lines, told where they cross; real rows do not compete."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tabstep.report.figures import levels, plots, profile
from tabstep.report.numbers import floors
from tabstep.report.numbers.front import front
from tabstep.report.numbers.vector import VECTOR

C2ST = {2: 0.95, 5: 0.75, 10: 0.65, 100: 0.60}
R2 = {2: 0.20, 5: 0.80, 10: 0.81, 100: 0.82}
PLAIN = {
    "real": (0.5, 0.9),
    "bootstrap": (0.49, 0.9),
    "holdout": (0.5, 0.88),
    "mixture": (0.7, 0.7),
    "marginals": (1.0, 0.0),
}


def table() -> pd.DataFrame:
    """Results of one sampler on one dataset, and of everything without steps, by two scores."""
    rows: list[dict[str, Any]] = []

    def add(method: str, steps: int | None, metric: str, mean: float) -> None:
        walks = steps is not None
        rows.append(
            {
                **{"suite": "s", "dataset": "d", "task": "regression", "method": method, "params": "default"},
                **{"sampler": "ancestral" if walks else None, "grid": "trailing" if walks else None},
                **{
                    "steps": steps,
                    "nfe": float(steps) if walks else None,
                    "metric": metric,
                    "mean": mean,
                    "std": 0.01,
                },
                **{
                    "prepare_s": 0.0,
                    "sample_s": 0.1 * (steps or 1),
                    "fit_s": 1.0,
                    "status": "ok",
                    "device": "cpu",
                },
            }
        )

    for method, (c2st, r2) in PLAIN.items():
        add(method, None, "c2st_xgboost", c2st)
        add(method, None, "catboost_r2", r2)
    for metric, curve in (("c2st_xgboost", C2ST), ("catboost_r2", R2)):
        for steps, mean in curve.items():
            add("tabddpm", steps, metric, mean)
    return pd.DataFrame(rows).astype({"steps": "Int64", "nfe": "float64"})


def test_where_a_floor_crosses_a_curve_is_told() -> None:
    """The mixture is as good as five evaluations by C2ST, as two by R2; nothing of marginals, which nobody needs."""
    found = floors.crossings(table()).set_index(["floor", "score"])
    assert found.loc[("mixture", "c2st_xgboost"), ["up_to", "budgets"]].tolist() == [5, 2]
    assert found.loc[("mixture", "efficacy"), ["up_to", "budgets"]].tolist() == [2, 1]
    assert set(found.index.get_level_values("floor")) == {"mixture"}
    (line,) = floors.sentences(found.reset_index())
    assert line.startswith("d: the floor `mixture`, at 0 evaluations, is as good as samplers by ")
    assert "c2st_xgboost (1 curve, at 2 of 4 budgets, up to 5 evaluations)" in line
    assert "efficacy (1 curve, at 1 of 4 budgets, up to 2 evaluations)" in line
    beaten = table()
    beaten = beaten[beaten["steps"].isna() | (beaten["steps"] >= 10)]
    assert floors.sentences(floors.crossings(beaten)) == []


def test_floors_and_real_rows_are_named_in_tables() -> None:
    assert floors.marked("mixture") == "mixture (floor)"
    assert floors.marked("marginals") == "marginals (floor)"
    assert floors.marked("holdout") == "holdout (real rows)"
    assert floors.marked("tabddpm") == "tabddpm"
    assert floors.marked("real") == "real"


def test_real_rows_do_not_compete_and_floors_do() -> None:
    """What copies, or knows, real people wins everything and is no method."""
    assert set(front(table())["method"]) == {"tabddpm", "mixture", "marginals"}
    data = plots.shown(table())
    assert set(data.loc[data["front_seconds"], "method"]) <= {"tabddpm", "mixture", "marginals"}
    assert data.loc[data["method"] == "mixture", "front_seconds"].all()


def heights(axes: Any, name: str) -> list[float]:
    """Heights of lines across in the style of a method."""
    style = levels.LINES[name]
    return [
        float(line.get_ydata()[0])
        for line in axes.get_lines()
        if len(line.get_ydata()) == 2
        and line.get_ydata()[0] == line.get_ydata()[1]
        and to_hex(line.get_color()) == to_hex(style["color"])
        and line.get_linewidth() == style["linewidth"]
    ]


def test_every_figure_draws_floors_and_real_rows_as_lines() -> None:
    figure = plots.draw(plots.shown(table()))
    left = figure.axes[0]
    assert heights(left, "mixture") == [0.7]
    assert {0.9, 0.88} <= set(heights(left, "real"))
    named = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert {"mixture (floor)", "fresh real rows", "bootstrap of training rows", "real data"} <= named


def test_the_profile_has_them_in_each_score() -> None:
    beside = floors.beside(table())
    assert len(beside) == 2 * len(PLAIN)
    profiled = pd.DataFrame(
        {
            **{
                "suite": "s",
                "dataset": "d",
                "method": "tabddpm",
                "params": "default",
                "sampler": "ancestral",
            },
            **{"grid": "trailing", "score": "c2st_xgboost", "steps": [*C2ST], "mean": [*C2ST.values()]},
            **{"full": 0.6, "margin": 0.03},
        }
    )
    enough = pd.DataFrame(
        {
            **{
                "suite": ["s"],
                "dataset": ["d"],
                "method": ["tabddpm"],
                "params": ["default"],
                "sampler": ["ancestral"],
            },
            **{"grid": ["trailing"], "enough": [100], **{score.name: [100] for score in VECTOR}},
        }
    )
    figure = profile.draw(profiled, enough, beside)
    assert heights(figure.axes[0], "mixture") == [pytest.approx(0.7)]
    named = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert "mixture (floor)" in named
