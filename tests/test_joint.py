"""Two entrants by every score at once: the verdict that no score decides alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from tabstep.records.store import Cell, Record
from tabstep.report.numbers.joint import corrected, jointly, together
from tests.test_compare import made, planted, versus


def pair(efficacy: float, c2st: float | None, noise: float = 0.001) -> list[Record]:
    """Records of a and b on six tables: by how much a's scores lie above b's."""
    rng = np.random.default_rng(0)
    out = []
    for method, dataset in product("ab", range(6)):
        cell = Cell("s", f"d{dataset}", method, "default", None, None, None, 0, 0)
        first = method == "a"
        scores = {"catboost_r2": [0.8 + first * efficacy + noise * rng.normal()]}
        if c2st is not None:
            scores["c2st_xgboost"] = [0.7 + first * c2st + noise * rng.normal()]
        out.append(replace(made(cell), task="regression", dataset_digest=None, scores=scores, eval_seeds=[0]))
    return out


@pytest.mark.parametrize(
    ("efficacy", "c2st", "says", "by"),
    [
        (0.05, -0.1, "better", ["better", "better"]),  # rows that are harder to tell are better
        (0.05, 0.1, "mixed", ["better", "worse"]),
        (0.05, 0.0, "better", ["better", "equal"]),
        (0.0, 0.1, "worse", ["equal", "worse"]),
        (0.0, 0.0, "equal", ["equal", "equal"]),
        (0.05, None, "better", ["better"]),
    ],
)
def test_planted_differences(efficacy: float, c2st: float | None, says: str, by: list[str]) -> None:
    found = jointly(pair(efficacy, c2st), "a", "b")
    assert found.says == says
    assert [verdict.says for verdict in found.by.values()] == by
    assert ("c2st_xgboost" in found.without) == (c2st is None)


def test_the_margin_is_that_of_the_score() -> None:
    by = jointly(pair(0.0, 0.0), "a", "b").by
    assert by["c2st_xgboost"].margin == pytest.approx(0.03)
    assert by["efficacy"].margin == pytest.approx(0.008, rel=0.01)


def test_no_common_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="two pairs of cells are needed"):
        jointly(pair(0.0, 0.0), "a", "c")


def test_the_correction_is_holms() -> None:
    verdicts = {str(seed): versus(*planted(0.004, seed)) for seed in range(6)}
    found = corrected(verdicts)
    wanted = multipletests([v.p_different for v in verdicts.values()], method="holm")[1]
    assert [v.p_different for v in found.values()] == pytest.approx(list(wanted))
    for before, after in zip(verdicts.values(), found.values(), strict=True):
        assert after.says in (before.says, "undecided")
        assert after.says not in ("better", "worse") or after.p_different < 0.05


def test_one_undecided_score_leaves_all_undecided() -> None:
    assert together(["better", "undecided"]) == "undecided"
    assert together(["equal", "undecided", "equal"]) == "undecided"
    assert together(["better", "undecided", "worse"]) == "mixed"
