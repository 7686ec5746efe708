"""Rules of many kinds in one table, several of one column: rows keep all of them, whatever a network drew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep.api.preparing import prepare
from tabstep.cli import table
from tabstep.data.constraints import share_kept
from tabstep.data.wishes import Sampling, Wishes
from tests.test_constraints import common

N = 2000


def staff(n: int = N) -> pd.DataFrame:
    """Who left has a day and a reason; juniors have no bonus and no car; who works at home has no office."""
    rng = np.random.default_rng(1)
    birth = pd.Series(pd.Timestamp("1960-01-01") + pd.to_timedelta(rng.integers(0, 365 * 44, n), unit="D"))
    hired = birth + pd.to_timedelta(rng.integers(18 * 366, 38 * 366, n), unit="D")
    grade = rng.choice(["junior", "senior", "lead", "director"], n, p=[0.4, 0.35, 0.15, 0.1])
    grade = np.where((birth > pd.Timestamp("1995-06-17")) & (grade == "director"), "senior", grade)
    status = rng.choice(["active", "left", "leave"], n, p=[0.7, 0.2, 0.1])
    gone = pd.Series(status == "left")
    car = np.isin(grade, ["lead", "director"]) & (rng.random(n) < 0.6)
    home, kids = rng.random(n) < 0.3, rng.poisson(1, n)
    branch = rng.choice(["IT", "HR", "Sales"], n)
    frame = pd.DataFrame(
        {
            "birth": birth,
            "hired": hired,
            "age": 2024 - birth.dt.year,
            "grade": grade.astype(object),
            "status": status.astype(object),
            "left": (hired + pd.to_timedelta(rng.integers(30, 2000, n), unit="D")).where(gone),
            "reason": np.where(gone, rng.choice(["own", "other"], n), None),
            "bonus": np.where(grade == "junior", 0.0, rng.gamma(2, 2000, n).round(2)),
            "car": np.where(car, "yes", "no").astype(object),
            "car_cost": np.where(car, rng.integers(200, 900, n), np.nan),
            "home": np.where(home, "yes", "no").astype(object),
            "office": np.where(home, None, rng.choice(["Berlin", "Paris", "Rome"], n)),
            "desk": np.where(home, np.nan, rng.integers(1, 400, n)),
            "kids": kids,
            "nursery": np.where(kids > 0, (rng.random(n) < 0.3) * rng.integers(50, 400, n), 0),
        }
    )
    return frame.assign(**{f"is_{b}": (branch == b).astype(int) for b in ("HR", "IT", "Sales")})


@pytest.mark.whole
@pytest.mark.parametrize(
    ("target", "where"),
    [(None, {"car": "yes"}), ("grade", {"reason": "own"}), ("status", {"grade": "director"})],
    ids=str,
)
def test_rows_keep_all_of_them(target: str | None, where: dict[str, Any]) -> None:
    method = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)
    model = tabstep.fit(staff(), target, method=method, progress="none")
    said = set(map(str, model.constraints))
    assert said >= {
        "left is between 1 day and 2000 days (5.5 years) after hired",
        "left is missing where status is active or leave, and nowhere else",
        "where left is missing, reason is missing; where left is not missing, reason is never missing",
        "where grade is director or lead or senior, bonus is not 0; where grade is junior, bonus is 0",
        "where grade is junior or senior, car is no",
        "exactly one of 3 columns, is_HR, is_IT, is_Sales, is 1",
        "where kids is 0, nursery is 0",
    }
    assert not any(one.startswith("where status") for one in said)  # that follows from two of those
    rows = model.sample(1000, steps=5)
    assert [share_kept(rule, common(rows)) for rule in model.constraints] == [1.0] * len(model.constraints)
    asked = common(model.sample(200, steps=5, where=where))
    assert [share_kept(rule, asked) for rule in model.constraints] == [1.0] * len(model.constraints)
    real = staff()
    for name in ("bonus", "car_cost", "desk", "nursery", "kids"):
        assert rows[name].dropna().between(real[name].min(), real[name].max()).all()


@pytest.mark.whole
def test_no_more_lines_of_rules_are_shown_than_one_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = staff()
    frame.to_csv(tmp_path / "staff.csv", index=False)
    ready = prepare(frame, None, Wishes(), Sampling(), 0)
    many = len(ready.constraints)
    for most, lines in ((many, many), (many - 3, many - 3)):
        monkeypatch.setattr(table, "MOST_RULES", most)
        table.show(tmp_path / "staff.csv", ready)
        said = capsys.readouterr().out
        assert said.count("in every row: ") == lines
        assert ("and 3 more rules that hold in every row; `tabstep report` has all" in said) == (most < many)
