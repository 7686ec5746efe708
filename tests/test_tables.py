"""Tables for papers: every published number has its place, ours stand beside, and LaTeX compiles."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tabstep.records.store import Cell, Record
from tabstep.report.numbers.table import results
from tabstep.report.pages import paper, sheets, tables
from tabstep.report.pages.sheets import Sheet
from tests.test_report import make


def record(
    dataset: str, method: str, seed: int, steps: int | None = None, suite: str = "paper", **scores: Any
) -> Record:
    task = "regression" if "catboost_r2" in scores else "binclass"
    sampler = "ancestral" if steps else None
    params = "published" if steps else "default"
    cell = Cell(suite, dataset, method, params, sampler, "trailing" if steps else None, steps, 0, seed)
    return replace(make(scores, cell=cell, task=task), nfe=steps)


@pytest.fixture
def records() -> list[Record]:
    rng = np.random.default_rng(0)

    def near(value: float, std: float = 0.003) -> list[float]:
        return list(value + std * rng.normal(size=10))

    found = [
        record("adult", "smote", s, catboost_f1_macro=near(0.791), dcr_mean=[0.3], wasserstein=[0.05])
        for s in (0, 1)
    ]
    for steps in (10, 100):
        found += [record("abalone", "tabddpm", s, steps, catboost_r2=near(0.55 - 1 / steps)) for s in (0, 1)]
    found += [record("abalone", "smote", s, catboost_r2=near(0.3)) for s in (0, 1)]
    return found


def test_every_published_number_has_a_row_and_ours_stand_beside_theirs(records: list[Record]) -> None:
    lines = paper.compared(results(records))
    known = paper.published()
    for table in paper.TABLES:
        assert (lines["table"] == table.number).sum() == (known["table"] == table.title).sum() > 0

    def line(number: int, dataset: str, method: str) -> pd.Series[Any]:
        found = lines[
            (lines["table"] == number) & (lines["dataset"] == dataset) & (lines["method"] == method)
        ]
        assert len(found) == 1
        return found.iloc[0]

    adult = line(5, "adult", "SMOTE")
    pooled = np.concatenate([r.scores["catboost_f1_macro"] for r in records if r.cell.dataset == "adult"])
    assert adult["ours"] == pytest.approx(pooled.mean())
    assert adult["std"] == pytest.approx(pooled.std(ddof=1))
    assert adult["z"] == pytest.approx(
        (pooled.mean() - adult["published"]) / np.hypot(pooled.std(ddof=1), adult["published_std"])
    )
    assert line(7, "adult", "SMOTE")["verdict"] == "no deviation"
    whole = line(5, "abalone", "TabDDPM")
    assert whole["ours"] == pytest.approx(0.54, abs=0.003), "with all steps, not with ten"
    assert line(5, "abalone", "SMOTE")["verdict"] == "differs"
    assert line(5, "wilt", "TabDDPM")["verdict"] == "missing"
    counts = paper.summary(lines).set_index("table").sum(axis=1)
    assert dict(counts) == dict(lines.groupby("table").size())


def test_the_first_suite_that_has_a_cell_is_taken(records: list[Record]) -> None:
    other = record("adult", "smote", 0, suite="ceiling", catboost_f1_macro=[0.1, 0.2])
    mine = [r for r in records if r.cell.dataset == "adult"]
    lines = paper.compared(results([*mine, other]))
    assert set(lines["suite"].dropna()) == {"paper"}
    stranger = replace(other, cell=replace(other.cell, suite="samplers"))
    assert set(paper.compared(results([stranger]))["verdict"]) == {"missing"}


def test_the_verdict_is_two_one_sided_tests() -> None:
    assert paper.judged(0.8001, 0.0005, 0.8, 0.0005)[0] == "equal"
    assert paper.judged(0.805, 0.01, 0.8, 0.01)[0] == "within 2 sd"
    verdict, difference, z, p = paper.judged(0.85, 0.01, 0.8, 0.01)
    assert (verdict, difference) == ("differs", pytest.approx(0.05))
    assert z == pytest.approx(0.05 / 0.02**0.5 / 0.1)
    assert p == pytest.approx(stats.norm.cdf((0.05 - 0.008) / (0.01 * 2**0.5)))
    assert paper.judged(0.8, 0.0, 0.8, 0.0)[0] == "equal"
    assert paper.judged(0.9, 0.0, 0.8, 0.0)[0] == "differs"
    assert paper.judged(0.8, float("nan"), 0.8, 0.01)[0] == "no deviation"
    # Where the truth lies at the margin, it may be called equal in one of twenty cases.
    rng = np.random.default_rng(0)
    s = 0.001
    called = sum(paper.judged(0.8 * 1.01 + s * rng.normal(), s, 0.8, 0.0)[0] == "equal" for _ in range(2000))
    assert called / 2000 == pytest.approx(0.05, abs=0.015)


def test_ranks_of_the_published_numbers_are_near_those_printed() -> None:
    found = paper.ranks(paper.compared(results([record("adult", "smote", 0, wasserstein=[0.1])])))
    assert len(found) == 15
    assert found["ours"].isna().all(), "one method has no rank"
    assert np.corrcoef(found["of_published"], found["printed"])[0, 1] > 0.95
    both = [
        record(d, m, 0, wasserstein=[v])
        for d in ("adult", "wilt")
        for m, v in (("smote", 0.1), ("tvae", 0.2))
    ]
    own = paper.ranks(paper.compared(results(both))).set_index(["table", "method"])["ours"]
    assert (own[9, "SMOTE"], own[9, "TVAE"]) == (1, 2)


def test_budgets_have_every_sampler_with_its_interval_and_seconds(records: list[Record]) -> None:
    found = tables.per_budget(results([r for r in records if r.cell.steps]))
    assert set(found["score"]) == {"catboost_r2", "seconds"}
    line = found[(found["score"] == "catboost_r2") & (found["steps"] == 10)].iloc[0]
    means = [np.mean(r.scores["catboost_r2"]) for r in records if r.cell.steps == 10]
    half = stats.t.ppf(0.975, 1) * np.std(means, ddof=1) / 2**0.5
    assert (line["low"], line["high"]) == pytest.approx((np.mean(means) - half, np.mean(means) + half))
    assert set(found[found["score"] == "seconds"]["mean"]) == {0.5}


@pytest.mark.whole
def test_written_tables_say_how_they_were_made(records: list[Record], tmp_path: Path) -> None:
    written = tables.write(records, results(records), tmp_path)
    assert all(path.exists() for path in written)
    text = (tmp_path / "paper.md").read_text()
    assert "Made-up 9000" in text
    assert "a" * 12 in text
    assert "None of these was run yet" in text
    page = text.split("# Published table 5")[1]
    assert "- (0.904)" in page, "a missing cell is shown as such, with the published number"
    assert "| insurance * |" in page, "its split is not the authors'"
    numbers = pd.read_csv(StringIO((tmp_path / "table5.csv").read_text()))
    assert len(numbers) == (paper.published()["table"] == paper.TABLES[1].title).sum()
    assert set(numbers["source"]) == {"arXiv:2209.15421, Table 5"}
    budgets = (tmp_path / "budgets.md").read_text()
    assert "# Steps to equal quality, suite paper" in budgets
    part = results([r for r in records if r.cell.steps])
    means = part[part["metric"] == "catboost_r2"].set_index("steps")["mean"]
    kept = f"10 evaluations {100 * means[10] / means[100]:.1f} % (`tabddpm"
    assert budgets.startswith("# Budgets, in short")
    assert kept in budgets.split("# Quality and seconds")[0]


NASTY = Sheet(
    "nasty",
    "50% of A_B & C # {x} $1 ~ ^ \\",
    ["a_note & more"],
    pd.DataFrame({"a_b": ["1_2 & 3%", "é ± ü"], "c#": ["$5", "~^\\"]}),
    pd.DataFrame({"a": [1]}),
    ("a_b",),
)


def test_latex_escapes_what_is_not_meant() -> None:
    text = sheets.latex(NASTY)
    assert r"1\_2 \& 3\%" in text
    assert r"50\% of A\_B \& C \#" in text
    assert r"a\_b" in text
    assert text.count(r"\toprule") == 2, "on every page of a long table"


@pytest.mark.whole
@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no LaTeX: install pdflatex with booktabs and longtable"
)
def test_latex_compiles(records: list[Record], tmp_path: Path) -> None:
    tables.write(records, results(records), tmp_path)
    sheets.write([NASTY], tmp_path, "escaped")
    for name in ("paper", "budgets", "escaped"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        found = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False
        )
        assert found.returncode == 0, found.stdout[-2000:]
        assert "Overfull" not in found.stdout


def test_the_page_of_results_says_what_was_measured_beside_table_5() -> None:
    """Ours and the paper's, real rows and TabDDPM; real rows that `reproduce` has none of are those of `ceiling`."""
    here = Path(__file__).resolve().parents[1] / "results"
    found: dict[tuple[str, str], Any] = {}
    for suite in ("ceiling", "reproduce"):
        for row in pd.read_csv(here / suite / "report" / "published.csv").itertuples():
            found[row.dataset, row.method] = row
    page = (here / "README.md").read_text(encoding="utf-8")
    names = [name for name, method in found if method == "tabddpm"]
    assert len(names) >= 5
    for name in names:
        real, ours = found[name, "real"], found[name, "tabddpm"]
        cells = [
            f"{value:.3f} ± {std:.3f}"
            for r in (real, ours)
            for value, std in ((r.mean, r.std), (r.published, r.published_std))
        ]
        score = {"catboost_r2": "R2", "catboost_f1_macro": "F1"}[ours.metric]
        verdict = {2: "both", 0: "neither"}[int(real.within) + int(ours.within)]
        assert f"| {name} ({score}) | {' | '.join(cells)} | {verdict} |" in page


def listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def test_what_is_said_of_generators_and_of_real_rows_is_what_the_tables_have() -> None:
    root = Path(__file__).parents[1] / "results"
    page = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    detail = [pd.read_csv(root / "tables" / f"table{n}-detail.csv") for n in (4, 5)]
    simple, catboost = ({(r.dataset, r.method): r for r in table.itertuples()} for table in detail)
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    for (name, method), row in simple.items():
        if method == "Real" and row.ours == row.ours and name not in ("insurance", "churn2"):
            assert f"{name} {row.ours:.3f} ({row.published:.3f})" in page.replace("(published ", "(")
    generators = ("SMOTE", "TVAE", "CTGAN")
    have = {at: row for at, row in catboost.items() if at[1] in generators and row.ours == row.ours}
    for name in sorted({name for name, _ in have}):
        cells = [have.get((name, method)) for method in generators]
        said = ["" if c is None else f"{c.ours:.3f} ({c.published:.3f})" for c in cells]
        assert f"  | {name} | {' | '.join(said)} |" in lines
    alike = {
        method: [n for (n, m), r in have.items() if m == method and r.verdict != "differs"]
        for method in generators
    }
    *most, last = sorted(alike["SMOTE"])
    others = ", ".join(f"{name} on {listed(sorted(alike[name]))}" for name in ("TVAE", "CTGAN"))
    assert f"SMOTE is within two deviations on {', '.join(most)} and {last}, {others}." in page
    above = {
        method: sorted(
            n for (n, m), r in have.items() if m == method and r.verdict == "differs" and r.ours > r.published
        )
        for method in generators
    }
    *most, last = above["SMOTE"]
    (tvae,) = above["TVAE"]
    assert f"but for SMOTE on {', '.join(most)} and {last} and TVAE on {tvae}." in page
    assert not above["CTGAN"]
    closest = (
        pd.read_csv(root / "tables" / "table7-detail.csv").query("method == 'SMOTE'").set_index("dataset")
    )
    house = closest.loc["house"]
    assert f"on all but house ({house['ours']:.3f} against {house['published']:.3f})" in page
    apart = (closest["ours"] - closest["published"]).drop("house").abs().max()
    assert f"is within {apart:.3f} of theirs" in page
    covered = pd.read_csv(root / "tables" / "table13-detail.csv").query("method == 'SMOTE'")["ours"]
    assert f"with the test rows ({covered.min():.2f} to {covered.max():.2f})" in page
