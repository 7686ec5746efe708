"""The study of samplers: exact posteriors by enumeration, known distances, and a page from known numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from tabstep.cli.app import app
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Counted
from tabstep.samplers.setting import Setting
from tabstep.study import bounds, heads, marginals
from tabstep.study.claims import claims
from tabstep.study.figures import write
from tabstep.study.markdown import reflow
from tabstep.study.samplers import best_grids, ranking, wide
from tests.test_nelbo import random_process, random_rows


@pytest.mark.parametrize("labelled", [False, True])
def test_posteriors_are_those_of_the_training_rows(labelled: bool) -> None:
    process = random_process(T=12, d=0, sizes=(2, 3))
    train = random_rows(process, 30)
    y = torch.arange(30) % 2
    noisy = random_rows(process, 8)
    given = torch.ones(8, dtype=torch.int64)
    if labelled:
        train, noisy = train._replace(y=y), noisy._replace(y=given)
    t = 6
    a, sizes = process.schedule.at(t), process.blocks.sizes
    loo, full = heads.posteriors(process, train, noisy, t)
    for i in range(8):
        for j, start in ((0, 0), (1, 2)):
            for found, left_out in ((loo, j), (full, None)):
                weights = np.zeros(sizes[j])
                for n in range(30):
                    if labelled and y[n] != 1:
                        continue
                    q = 1.0
                    for k, K in enumerate(sizes):
                        if k != left_out:
                            q *= a * float(train.c[n, k] == noisy.c[i, k]) + (1 - a) / K
                    weights[train.c[n, j]] += q
                np.testing.assert_allclose(
                    found[i, start : start + sizes[j]], weights / weights.sum(), atol=1e-12
                )


def test_a_misread_head_is_what_the_conversion_gives_back() -> None:
    process = random_process(T=12)
    state = random_rows(process)
    misread = replace(process, denoiser=heads.Misread(process))
    for t in (1, 6, 12):
        raw = process.denoiser(state.x, state.c, t, None)[1]
        read = misread.denoiser(state.x, state.c, t, None)[1]
        torch.testing.assert_close(misread.log_full(read, state.c, t), raw, rtol=0, atol=1e-9)
        assert not torch.allclose(process.log_full(raw, state.c, t), raw) or t == 12


def test_distance_of_pairs() -> None:
    same = pd.DataFrame({"a": list("xxyy"), "b": list("pqpq"), "c": list("uuuu")})
    tied = same.assign(b=list("ppqq"))
    assert heads.pair_distance(same, same.sample(frac=1, random_state=0), ("a", "b", "c")) == 0
    # of the pairs ab, ac, bc only ab differs: (1/4 four times) against (1/2 twice)
    assert heads.pair_distance(same, tied, ("a", "b", "c")) == pytest.approx(0.5 / 3)
    assert heads.pair_distance(same, same.assign(c="v"), ("a", "c")) == 1
    many = pd.DataFrame({"a": list("xy") * 2000, "b": list("xy") * 2000})
    assert heads.pair_distance(many, heads.independent(many, seed=0), ("a", "b")) == pytest.approx(
        0.5, abs=0.03
    )


def test_marginals_know_a_shift_and_a_shrinkage() -> None:
    train = pd.DataFrame({"a": np.arange(1000.0), "b": np.arange(1000.0) ** 3})
    columns = ("a", "b")
    same = marginals.distances(train, train, train, columns)
    assert same == {"wasserstein": pytest.approx(0), "spread": pytest.approx(1)}
    upper = train.iloc[500:]
    assert marginals.distances(upper, train, train, columns)["wasserstein"] == pytest.approx(0.25, abs=1e-3)
    assert marginals.distances(upper, train, train, columns)["spread"] == pytest.approx(0.5, abs=1e-3)
    scaled = [frame.assign(a=frame["a"] * 7 - 3) for frame in (upper, train, train)]
    assert marginals.distances(*scaled, columns) == pytest.approx(
        marginals.distances(upper, train, train, columns)
    )


def test_bounds_hold_on_their_own_table_and_cost_a_call_a_time() -> None:
    plain = random_process(T=30)
    process = replace(plain, denoiser=Counted(plain.denoiser))
    setting = Setting(process, held=random_rows(plain))
    fresh = random_rows(plain, 25)
    found = bounds.measure(setting, State(fresh.x + 0.1, fresh.c, None), "analytic")
    assert found["excess"] <= 1e-9
    assert found["calls"] == 30
    for K, grids in found["held"].items():
        assert grids["dp"] <= min(grids.values()) + 1e-9, K
    assert found["dp"][5][0] == 30
    assert found["dp"][5][-1] == 0
    assert len(found["dp"][5]) == 6
    json.dumps(found, allow_nan=False)


def results(scores: dict[tuple[str, str, str, str, int], tuple[float, float]]) -> pd.DataFrame:
    """A results table from {(dataset, method, sampler, grid, steps): (test, validation)}."""
    rows: list[dict[str, Any]] = []
    for (dataset, method, sampler, grid, steps), (test, val) in scores.items():
        common = {
            "dataset": dataset,
            "task": "regression",
            "method": method,
            "sampler": sampler,
            "grid": grid,
        }
        common |= {"steps": steps, "rows": 2000, "nfe": steps, "prepare_s": 0.0, "sample_s": 0.4, "std": 0.01}
        rows += [
            {**common, "metric": m, "mean": v}
            for m, v in (("catboost_r2", test), ("catboost_r2_val", val), ("nelbo", 10 - test))
        ]
    return pd.DataFrame(rows)


def known() -> pd.DataFrame:
    scores = {}
    for i, dataset in enumerate(("one", "two", "three")):
        for sampler, gain in (("ancestral", 0.0), ("ddim", 0.1 + 0.01 * i), ("analytic", 0.05)):
            scores[(dataset, "tabddpm", sampler, "trailing", 100)] = (0.8, 0.9)
            for K in (5, 10, 20):
                scores[(dataset, "tabddpm", sampler, "trailing", K)] = (0.4 + gain, 0.45 + gain)
                scores[(dataset, "tabddpm", sampler, "quad", K)] = (
                    0.6,
                    0.3,
                )  # better on test, worse on validation
    return wide(results(scores))


def test_grids_are_chosen_on_validation_and_scores_are_parts_of_the_full_one() -> None:
    table = known()
    chosen = best_grids(table)
    assert set(chosen["grid"]) == {"trailing"}
    row = table[(table["sampler"] == "ddim") & (table["grid"] == "trailing") & (table["dataset"] == "one")]
    assert row[row["steps"] == 5]["kept"].item() == pytest.approx(0.5 / 0.8)
    assert row["seconds"].tolist() == pytest.approx([2.0] * 4)
    best = ranking(table)
    assert tuple(best.iloc[0][["sampler", "grid"]]) == ("ddim", "trailing")
    assert best.iloc[0]["val"] == pytest.approx(0.56 / 0.9)


def test_claims_have_intervals_and_verdicts() -> None:
    found = {(c.text, c.steps): c for c in claims(known())}
    ddim = found["DDIM scores better than ancestral sampling", 5]
    assert ddim.difference == pytest.approx(100 * 0.11 / 0.8)
    # standard error of 0.10, 0.11, 0.12 is 0.01/sqrt(3); t of 2 degrees of freedom is 4.3027
    assert ddim.high - ddim.difference == pytest.approx(100 / 0.8 * 4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert (ddim.verdict, ddim.datasets) == ("holds", 3)
    reversed_claim = replace(ddim, low=-2.0, high=-1.0)
    assert reversed_claim.verdict == "does not hold"
    assert replace(ddim, low=-1.0).verdict == "undecided"
    assert not [text for text, _ in found if "learned" in text], "no cell, no claim"


@pytest.mark.whole
def test_figures_are_drawn_and_carry_their_numbers(tmp_path: Path) -> None:
    written = write(known(), tmp_path)
    assert {path.name for path in written} == {
        f"{name}.{suffix}" for name in ("budgets", "grids", "bounds") for suffix in ("png", "pdf", "csv")
    }
    assert all(path.stat().st_size for path in written)
    assert set(pd.read_csv(tmp_path / "grids.csv")["grid"]) == {"trailing", "quad"}


def test_the_command_refuses_what_it_does_not_know() -> None:
    outcome = CliRunner().invoke(app, ["study", "samplers", "--dataset", "nowhere"])
    assert outcome.exit_code == 2
    assert "nowhere" in outcome.stderr


def test_prose_is_filled_and_the_rest_left_alone() -> None:
    words = " ".join(["word"] * 40)
    lines = ["# Title", "", "some", words, "", "| a | b |", "| --- | --- |", "![picture](x.png)", "end"]
    found = reflow(lines)
    assert found[:2] == ["# Title", ""]
    assert " ".join(found[2:4]) == f"some {words}"
    assert max(map(len, found)) <= 120
    assert found[4:] == ["", "| a | b |", "| --- | --- |", "![picture](x.png)", "end"]
