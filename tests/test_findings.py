"""Findings: differences by table with their intervals, and that the committed page is what the records give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tabstep.engine.folder import Folder
from tabstep.sharing import verify
from tabstep.study import findings, glance
from tabstep.study.markdown import pipes
from tabstep.study.paired import difference
from tests import committed
from tests.test_few_steps import RECORDS, of
from tests.test_recipe import RECORDS as PAIRS

CLAIMS = pd.DataFrame(
    {
        **{"text": ["a is better", "a is better"], "steps": [2, 5], "unit": ["points", "points"]},
        **{"difference": [1.0, 2.0], "low": [-1.0, 1.5], "high": [3.0, 2.5], "datasets": [5, 5]},
        "verdict": ["undecided", "holds"],
    }
)


def test_a_difference_is_paired_by_table_and_bold_where_its_interval_leaves_zero_out() -> None:
    values = {"a": 0.1, "b": 0.2, "c": 0.4}
    same = difference(values, {"a": 0.0, "b": 0.11, "c": 0.29, "d": 9.0})
    assert str(same).startswith("**+0.100** [")
    # 0.4 - 0.3 is not 0.1 - 0.0, but what differs by rounding decides nothing.
    assert str(difference(values, {"a": 0.0, "b": 0.1, "c": 0.3})) == "+0.100 (no scatter)"
    apart = difference(values, {"a": 0.0, "b": 0.4, "c": 0.3})
    low, high = stats.ttest_1samp(apart.values, 0).confidence_interval(0.95)
    assert apart.interval == (pytest.approx(low), pytest.approx(high))
    assert str(apart) == f"{np.mean([0.1, -0.2, 0.1]):+.3f} [{low:+.3f}, {high:+.3f}]"
    assert str(difference(values, {"a": 0.0})) == "+0.100 (one table)"
    assert str(difference(values, {})) == ""


def test_the_page_says_what_the_records_say(tmp_path: Path) -> None:
    smote = of("churn2", "none", 1, method="smote", c2st_xgboost=-0.01)
    records = {name: [] for name in findings.SUITES} | {"few-steps": [*RECORDS, *smote], "recipe": PAIRS}
    again = pd.DataFrame(
        [
            {"suite": "race", "finished": 100, "bitwise": 1, "equivalent": 2, "differs": 0, "failed": 1}
            | {"processors": ["a chip"], "commits": ["c1", "c2"]}
        ]
    )
    text = findings.write(records, CLAIMS, again, tmp_path / "FINDINGS.md").read_text()
    assert (
        "| 5 | `ddim` | 2/2 | 1/2 | 2/2 | 2/2 | 2/2 | 2/2 | 1/2 | `dpmpp-2m-sde` +6.500 (one table) |" in text
    )
    assert (
        "Of 2 questions (1 claims by budget) on 5 tables, 1 are decided, and 0.1 would be by chance" in text
    )
    assert "## 5. Which claims of the papers carry over to tables\n\nOf 2 questions" in text
    assert "| a is better | 5 | +2.00 [+1.50, +2.50] points | holds |" in text
    assert "| 5 | chosen on (1) | +0.005 (one table) | +0.075 (one table) |" in text
    assert "| race | 100 | 4 | 1 | 2 | 1 |" in text
    assert "On a chip, by c1, c2." in " ".join(text.split())
    without = findings.write(records, CLAIMS, again.head(0), tmp_path / "FINDINGS.md").read_text()
    assert text.startswith(without)


@pytest.mark.whole
def test_the_committed_page_is_what_the_committed_records_give(tmp_path: Path) -> None:
    results = Path(__file__).resolve().parents[1] / "results"
    found = {name: committed.records(name) for name in findings.SUITES}
    claims = pd.read_csv(results / "samplers" / "report" / "claims.csv")
    suites = sorted(path.parent.name for path in results.glob(f"*/{verify.NOTED}"))
    again = verify.tally(results, {name: committed.records(name) for name in suites})
    made = findings.write(found, claims, again, tmp_path / "FINDINGS.md")
    assert made.read_bytes() == (results / "FINDINGS.md").read_bytes()


@pytest.mark.whole
def test_the_page_of_results_says_how_cells_came_back() -> None:
    results = Path(__file__).resolve().parents[1] / "results"
    page = " ".join((results / "README.md").read_text(encoding="utf-8").split())
    found = verify.known(Folder(results / "race")).values()
    share = len(found) / sum(r.status == "ok" for r in committed.records("race"))
    assert f"Of `race` {share:.0%} were made again".replace("%", " %") in page
    others = sorted({v["cell"].split("/")[0] for v in found if v["largest"] > 1e-9})
    assert f"networks of {', '.join(others[:-1])} and {others[-1]} came out as others" in page
    (differs,) = (v for v in found if v["how"] in ("differs", "failed"))
    assert f"One differs, `{differs['cell'].removesuffix('.json')}`" in page
    assert differs["said"].startswith("c2st_xgboost_train_score beyond")


def test_the_page_of_results_says_that_cells_of_few_steps_agree() -> None:
    results = Path(__file__).resolve().parents[1] / "results"
    page = " ".join((results / "README.md").read_text(encoding="utf-8").split())
    found = [*verify.known(Folder(results / "few-steps")).values()]
    *names, last = sorted({v["cell"].split("/")[0] for v in found})
    assert f"Of `few-steps` {len(found)} cells were made again, on {', '.join(names)} and {last}" in page
    assert "and all agree to 0.00001" in page
    assert max(v["largest"] for v in found) < 1e-5


def test_the_readme_shows_the_glance_of_the_committed_records() -> None:
    root = Path(__file__).resolve().parents[1]
    readme = (root / "README.md").read_text(encoding="utf-8")
    table = glance.means(committed.records("few-steps"))
    for line in pipes(glance.rows(table)):
        assert line in readme
    assert glance.said(table) in " ".join(readme.split())
