"""The benchmark of hot paths on another revision of the project and on this tree, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tabstep.study import perf
from tabstep.study.perf import Line


def compare(revision: str, rounds: int = 3) -> tuple[list[Line], list[Line]]:
    """Lines of a revision and of this tree, medians of rounds in turns. Raises ValueError where git or it cannot."""
    here = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / "tree"
        add = ["git", "-C", str(here), "worktree", "add", "--detach", "--", str(there), revision]
        made = subprocess.run(add, capture_output=True, text=True, check=False)
        if made.returncode:
            raise ValueError(f"git has no tree of {revision!r}: {made.stderr.strip()}")
        try:
            runs = [[_run(tree, Path(folder)) for tree in (there, here)] for _ in range(rounds)]
        finally:
            subprocess.run(["git", "-C", str(here), "worktree", "remove", "--force", str(there)], check=False)
    before, now = zip(*runs, strict=True)
    return _medians(before), _medians(now)


def _run(tree: Path, folder: Path) -> list[Line]:
    """The benchmark of this tree, on the package of another."""
    place = folder / f"package of {tree.name}"
    if not place.exists():
        place.mkdir()
        (place / "tabstep").mkdir()
        for part in (tree / "bench").iterdir():
            (place / "tabstep" / part.name).symlink_to(part)
        (place / "tabstep" / "baselines").symlink_to(tree / "baselines")
    env = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, perf.__file__], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"this benchmark does not run on {tree}: {done.stderr.strip().splitlines()[-1]}")
    return [Line(**json.loads(line)) for line in done.stdout.splitlines()]


def _medians(runs: Sequence[Sequence[Line]]) -> list[Line]:
    out = []
    for lines in zip(*runs, strict=True):
        limits = [line.limit for line in lines if line.limit is not None]
        out.append(
            Line(
                lines[0].path,
                float(np.median([line.seconds for line in lines])),
                float(np.median(limits)) if limits else None,
                lines[0].bar,
            )
        )
    return out
