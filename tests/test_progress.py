"""What is shown of a run where there is no terminal: a line a cell, and one now and then where none ends."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from tabstep.cli import progress
from tabstep.engine.run import Status


def test_a_log_says_what_runs_where_no_cell_ends_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = StringIO()
    status = Status(total=8, running=["churn2 tabstep seed 0", "churn2 ctgan seed 1"], started=0.0)
    with progress.View(Console(file=out, width=200)) as view:
        for second in range(0, 150, 5):
            now[0] = float(second)
            view(status, None)
    lines = out.getvalue().splitlines()
    assert [line[-8:] for line in lines] == ["  (1:05)", "  (2:10)"]
    assert lines[0].startswith("[   0/8] running churn2 tabstep seed 0, churn2 ctgan seed 1")


def test_nothing_is_said_while_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = StringIO()
    with progress.View(Console(file=out)) as view:
        now[0] = 100.0
        view(Status(total=8, started=0.0), None)
    assert out.getvalue() == ""
