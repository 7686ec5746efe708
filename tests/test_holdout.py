"""Fresh real rows: half of the test rows handed out, the other half to score against, no row on two sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.baselines.holdout import LEAST, Holdout, halves, hands_out_fresh_rows
from tabstep.contracts import Unsupported
from tabstep.engine import cells, drawn_rows
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.plan import plan
from tabstep.metrics.rows import fidelity
from tabstep.records import store
from tabstep.registry import METHODS
from tabstep.suite import Entry, Suite
from tabstep.suites import SUITES

SUITE = Suite(
    name="own",
    about="for tests",
    datasets=(),
    entries=(Entry("holdout"), Entry("bootstrap")),
    eval_seeds=1,
    evaluator="fast",
    metrics=("efficacy", "fidelity", "privacy"),
)


def source(path: Path, rows: int) -> Source:
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": x,
            "z": x + rng.normal(size=rows),
            "c": rng.choice(["a", "b"], rows),
            "y": np.where(x > 0, "p", "n"),
        }
    )
    frame.to_csv(path, index=False)
    return Source("small", file=path, target="y")


def test_the_halves_share_no_row_and_lack_none(tmp_path: Path) -> None:
    dataset = source(tmp_path / "t.csv", 600).load()
    given, scored = halves(dataset)
    assert abs(len(given) - len(scored.test)) <= 1
    assert set(given["x"]) | set(scored.test["x"]) == set(dataset.test["x"])
    assert not set(given["x"]) & (set(scored.test["x"]) | set(dataset.train["x"]) | set(dataset.val["x"]))
    pd.testing.assert_frame_equal(scored.train, dataset.train)
    pd.testing.assert_frame_equal(halves(dataset)[0], given)


def test_rows_that_no_generator_could_draw_stay_in_the_test_part(tmp_path: Path) -> None:
    dataset = source(tmp_path / "t.csv", 600).load()
    test = dataset.test.copy()
    test.loc[::3, "c"] = "unheard of"
    given, scored = halves(replace(dataset, test=test))
    assert set(given["c"]) <= {"a", "b"}
    assert "unheard of" in set(scored.test["c"])


def test_few_test_rows_are_told_not_halved(tmp_path: Path) -> None:
    small = source(tmp_path / "t.csv", 120)
    with pytest.raises(Unsupported, match=f"24 test rows cannot be halved: either half needs {LEAST}"):
        halves(small.load())
    found = plan(SUITE, [small])
    assert [job.cell.method for job, _ in found.skipped] == ["holdout"]
    assert {job.cell.method for job in found.jobs} == {"bootstrap"}


def test_a_cell_hands_out_one_half_and_is_scored_against_the_other(tmp_path: Path) -> None:
    """Training rows resampled win the same scores, and privacy tells the two apart."""
    table = source(tmp_path / "t.csv", 600)
    found, folder = plan(SUITE, [table]), Folder(tmp_path / "results")
    jobs = {job.cell.method: job for job in found.jobs}
    given, scored = halves(table.load())
    assert jobs["holdout"].rows == len(given)
    for job in jobs.values():
        (outcome,) = cells.run_baseline([job], folder)
        assert outcome.status == "ok"
    records = {name: store.read(folder.runs / job.cell.path).scores for name, job in jobs.items()}
    rows = drawn_rows.kept(folder.rows(jobs["holdout"].cell), table.load().schema)
    assert sorted(rows["x"]) == pytest.approx(sorted(given["x"]))
    expected = fidelity(rows, scored)
    assert records["holdout"]["shape"] == [pytest.approx(expected["shape"])]
    assert records["holdout"]["shape"] != [pytest.approx(fidelity(rows, table.load())["shape"])]
    assert records["holdout"]["copies"] == [0.0]
    assert records["bootstrap"]["copies"] == [1.0]


def test_the_floors_are_in_the_suites_that_compare_methods() -> None:
    for name in ("smoke", "quick", "own", "paper"):
        methods = [entry.method for entry in narrow(SUITES[name], Filters()).entries]
        assert methods[:5] == ["real", "marginals", "bootstrap", "holdout", "mixture"]
    assert [name for name in METHODS if hands_out_fresh_rows(METHODS[name])] == ["holdout"]
    assert hands_out_fresh_rows(Holdout)
