"""Planted truth through the whole: from a table on disk over cells, evaluator and records to a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep import registry
from tabstep.data.table import Schema
from tabstep.engine import cells
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Source
from tabstep.engine.plan import plan
from tabstep.records import store
from tabstep.records.store import Record
from tabstep.report.numbers.compare import rank, units, versus
from tabstep.report.numbers.table import results
from tabstep.suite import Entry, Suite

TABLES = 10


@dataclass(frozen=True)
class Rows:
    train: pd.DataFrame
    target: str
    share: float
    stream: int

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        # The rows are in the seed: with one noise on all tables these would not be ten samples but nearly one.
        key = int(pd.util.hash_pandas_object(self.train).sum())
        rng = np.random.default_rng([self.stream, seed, key])
        rows = self.train.iloc[rng.integers(len(self.train), size=n)].reset_index(drop=True)
        wrong = rng.random(n) < self.share
        rows.loc[wrong, self.target] = rng.permutation(rows.loc[wrong, self.target])
        return rows


@dataclass(frozen=True)
class Spoiled:
    """Training rows with replacement, of which a share has the target of another one; streams differ in noise alone."""

    share: float = 0.0
    stream: int = 0

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Rows:
        return Rows(train[list(schema.columns)].copy(), schema.target, self.share, self.stream)


def tables(folder: Path, rows: int = 400) -> list[Source]:
    """Small mixed tables of different difficulty, numbers and labels to predict."""
    made = []
    for i in range(TABLES):
        rng = np.random.default_rng(i)
        x, c = rng.normal(size=(rows, 2)), rng.choice(["a", "b"], rows)
        latent = x @ [1.0, 0.5] + np.where(c == "a", 1.0, -1.0) + rng.normal(scale=0.2 + 0.05 * i, size=rows)
        y = np.where(latent > 0, "yes", "no") if i % 2 else latent
        path = folder / f"table{i}.csv"
        pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "c": c, "y": y}).to_csv(path, index=False)
        made.append(Source(f"table{i}", file=path, target="y"))
    return made


def measured(
    entries: tuple[Entry, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, seeds: int
) -> list[Record]:
    """The records of a suite of these entries, run by the harness' own functions in this process."""
    monkeypatch.setitem(registry.METHODS, "spoiled", Spoiled)
    suite = Suite("own", "planted", (), entries, sample_seeds=seeds, eval_seeds=1, evaluator="fast")
    folder.mkdir(parents=True, exist_ok=True)
    todo, place = plan(suite, tables(folder)), Folder(folder / "results")
    groups: dict[str, list[Job]] = {}
    for job in todo.jobs:
        groups.setdefault(job.fit_key, []).append(job)
    for jobs in groups.values():
        cells.run_baseline(jobs, place)
    records, problems = store.read_all(place.runs)
    assert not problems
    return records


@pytest.mark.whole
def test_a_sampler_that_is_worse_by_a_set_amount_is_ranked_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = tuple(
        Entry("spoiled", label, {"share": share}) for label, share in (("clean", 0.0), ("spoiled", 0.8))
    )
    records = measured(entries, tmp_path, monkeypatch, seeds=1)
    assert [r.status for r in records] == ["ok"] * (2 * TABLES)
    scores = units(records)
    found = versus(scores["spoiled clean"], scores["spoiled spoiled"])
    assert (found.says, found.datasets) == ("better", TABLES)
    assert found.p_different < 0.01
    assert list(rank(records).mean_rank.index) == ["spoiled clean", "spoiled spoiled"]
    table = results(records)
    primary = table[table["metric"].isin(["catboost_f1_macro", "catboost_r2"])]
    means = primary.pivot_table(index="dataset", columns="params", values="mean")
    assert (means["clean"] > means["spoiled"]).all()


@pytest.mark.slow
def test_two_samplers_that_are_the_same_are_not_called_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: Counter[str] = Counter()
    for repeat in range(100):
        entries = tuple(
            Entry("spoiled", label, {"share": 0.1, "stream": 2 * repeat + i})
            for i, label in enumerate(("one", "other"))
        )
        scores = units(measured(entries, tmp_path / str(repeat), monkeypatch, seeds=1))
        said[versus(scores["spoiled one"], scores["spoiled other"]).says] += 1
    # The level is 5 %: five of a hundred are expected, more than ten have a chance of 1 %.
    assert said["better"] + said["worse"] <= 10, said
