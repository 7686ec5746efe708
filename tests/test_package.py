"""The description of the results holds what lies there, and the committed one is of the committed results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from tabstep.study import package

RESULTS = Path(__file__).resolve().parents[1] / "results"


def test_types_digests_and_paths_by_hand(tmp_path: Path) -> None:
    suite = tmp_path / "few" / "report"
    suite.mkdir(parents=True)
    table = pd.DataFrame(
        {"dataset": ["a", "b"], "steps": [1, 2], "score": [0.5, None], "sampler": [None, None]}
    )
    table.to_csv(suite / "Two_Words.csv", index=False)
    for own in ("quick/report", "few/models/x"):
        (tmp_path / own).mkdir(parents=True)
        table.to_csv(tmp_path / own / "t.csv", index=False)
    path = package.write(tmp_path)
    (found,) = json.loads(path.read_text())["resources"]
    content = (suite / "Two_Words.csv").read_bytes()
    assert found["name"] == "few-report-two-words"
    assert found["path"] == "few/report/Two_Words.csv"
    assert found["bytes"] == len(content)
    assert found["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert [f["type"] for f in found["schema"]["fields"]] == ["string", "integer", "number", "any"]


def test_the_committed_description_is_of_the_committed_results() -> None:
    committed = json.loads((RESULTS / package.NAME).read_text(encoding="utf-8"))
    assert committed == package.describe(RESULTS)
    names = [resource["name"] for resource in committed["resources"]]
    assert len(set(names)) == len(names) > 50
