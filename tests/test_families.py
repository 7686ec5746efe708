"""The study of early-stopped and learned samplers: its page from records with known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from tabstep.cli.app import app
from tabstep.records.store import Cell, Record
from tabstep.registry import SAMPLERS
from tabstep.study import families
from tabstep.suites import SUITES

FULL = 0.8


def record(
    sampler: str, steps: int, seed: int, test: float, val: float, *, suite: str = "families"
) -> Record:
    return Record(
        cell=Cell(suite, "made", "tabddpm", "short", sampler, "trailing", steps, 0, seed),
        status="ok",
        reason=None,
        traceback=None,
        task="binclass",
        key="k",
        settings={},
        rows=2000,
        nfe=float(steps),
        fit_s=10.0,
        prepare_s=3.0 if sampler == "ddss" else 0.0,
        sample_s=0.5,
        peak_bytes=1,
        scores={"catboost_f1_macro": [test], "catboost_f1_macro_val": [val]},
        eval_seeds=[0],
        dataset_digest="d",
        env={"commit": "c" * 40, "dirty": False},
        created="2026-01-01T00:00:00+00:00",
    )


def made() -> tuple[list[Record], list[Record]]:
    """Five seeds s: DDIM 0.70 + s/100, DDSS 0.02 above it and 0.03 on validation; sweeps that peak at 0.3 T."""
    few = []
    for steps in (5, 10):
        for s in range(5):
            base = 0.70 + s / 100
            few += [
                record("ddim", steps, s, base, base),
                record("ddss", steps, s, base + 0.02, base + 0.03),
                record("ancestral", steps, s, base + 0.04, base - 0.1),  # best on test, not on validation
            ]
            for stop in families.SWEEP:
                score = 0.6 - abs(stop - 0.3) / 10
                few.append(record(f"es-ancestral-vae-{100 * stop:.0f}", steps, s, score, score))
    whole = [record("ancestral", 1000, s, FULL, FULL, suite="samplers") for s in range(2)]
    other = [
        record("ddim", 1000, 0, 0.1, 0.1, suite="samplers"),
        record("ancestral", 50, 0, 0.1, 0.1, suite="samplers"),
    ]
    return few, [*whole, *other]


def test_scores_are_parts_of_the_full_one_of_the_other_suite() -> None:
    few, others = made()
    full = families.references(others)
    assert [(r.cell.sampler, r.cell.steps) for r in full] == [("ancestral", 1000)] * 2
    table = families.numbers(few, full)
    assert set(table["steps"]) == {5, 10}
    ddim = table[(table["sampler"] == "ddim") & (table["steps"] == 5)].iloc[0]
    assert ddim["kept"] == pytest.approx(0.72 / FULL)
    assert ddim["kept_std"] == pytest.approx(np.std([0.70, 0.71, 0.72, 0.73, 0.74], ddof=1) / FULL)


def test_the_moonshot_is_chosen_on_validation() -> None:
    few, others = made()
    best = families.moonshot(families.numbers(few, families.references(others)))
    assert len(best) == 1
    assert best.iloc[0]["sampler"] == "ddss"
    assert best.iloc[0]["kept"] == pytest.approx(0.74 / FULL)


def test_gains_are_paired_by_seed() -> None:
    few, _ = made()
    gain = families.learned_gain([r for r in few if (r.cell.sampler, r.cell.sample_seed) != ("ddim", 4)])
    assert list(gain["steps"]) == [5, 10]
    assert list(gain["test_count"]) == [4, 4]
    assert gain["test_mean"].to_numpy() == pytest.approx([0.02, 0.02])
    assert gain["validation_mean"].to_numpy() == pytest.approx([0.03, 0.03])
    assert gain["test_std"].to_numpy() == pytest.approx([0, 0], abs=1e-12)  # though the scores differ by seed


def test_the_page_and_its_figures(tmp_path: Path) -> None:
    few, others = made()
    paths = families.write(few, families.references(others), tmp_path)
    page = (tmp_path / "families.md").read_text()
    assert "| made | ddss, trailing | 0.7500 | 0.7400 ± 0.0158 | 92.5% ± 2.0% | -6.5 points |" in page
    assert "| made | ddss | 5 | +0.0300 ± 0.0000 | +0.0200 ± 0.0000 | 5 |" in page
    assert "| made | ddss | 3.0 + 2.50 | 3.0 + 2.50 |" in page
    swept = pd.read_csv(tmp_path / "sweep.csv")
    assert swept.groupby("steps")["stop"].count().tolist() == [7, 7]
    assert swept.loc[swept["kept"].idxmax(), "stop"] == 0.3
    for name in ("quality", "sweep"):
        picture = imread(tmp_path / f"{name}.png")
        assert picture.std() > 0.02, "an empty picture"
    assert all(path.exists() for path in paths)


def test_it_asks_for_the_full_scores_first(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "families", "--results", str(tmp_path)])
    assert result.exit_code == 2
    assert "tabstep run samplers" in result.output


def test_what_it_shows_is_in_the_suite() -> None:
    named = {sampler for sampler, _ in SUITES["families"].samplers}
    assert set(families.SHOWN) <= named <= set(SAMPLERS)
    assert {
        f"es-ancestral-{start}-{100 * s:.0f}" for start in families.STARTS for s in families.SWEEP
    } <= named
