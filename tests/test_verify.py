"""Cells done again: the same bits here, a changed record is found, and what changed since is not judged."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabstep.engine import run
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Outcome
from tabstep.engine.plan import Plan, plan
from tabstep.records import store
from tabstep.records.provenance import environment
from tabstep.records.store import Record
from tabstep.report.numbers.diff import diff
from tabstep.sharing import verify
from tabstep.sharing.verify import judged
from tests.conftest import Kept
from tests.test_report import make as scored
from tests.test_run import CELLS, TINY, Done, copy, done, pick, record_of

__all__ = ["copy", "done"]  # fixtures

pytestmark = pytest.mark.whole


def again(found: Done, worker: Kept, scratch: Path, *names: str) -> list[verify.Verdict]:
    jobs = [pick(found.plan, name, 5 if name == "tabddpm" else None) for name in names]
    todo = replace(found.plan, jobs=tuple(jobs))
    return verify.verify(todo, found.folder, Folder(scratch), executor=worker)


def test_a_cell_comes_back_to_the_last_bit(copy: Done, worker: Kept, tmp_path: Path) -> None:
    verdicts = again(copy, worker, tmp_path / "again", "tabddpm", "marginals")
    assert [(v.how, v.largest) for v in verdicts] == [("bitwise", 0.0)] * 2
    path = copy.folder.root / verify.NOTED
    records, _ = store.read_all(copy.folder.runs)
    assert verify.verified(copy.folder, records) == {v.cell: "bitwise" for v in verdicts}
    stale = [replace(r, key="another") for r in records]
    assert verify.verified(copy.folder, stale) == {}, "a verdict is on one record, not on a place"
    verify.note(copy.folder, [replace(verdicts[0], how="differs")])
    assert {v["how"] for v in json.loads(path.read_text()).values()} == {"differs", "bitwise"}


def test_a_number_that_was_changed_is_found(copy: Done, worker: Kept, tmp_path: Path) -> None:
    job = pick(copy.plan, "marginals")
    record = record_of(copy.folder, job)
    better = {name: [value + 1e-6 for value in values] for name, values in record.scores.items()}
    store.write(copy.folder.runs, replace(record, scores=better))
    (verdict,) = again(copy, worker, tmp_path / "again", "marginals")
    assert verdict.how == "differs"
    assert verdict.largest == pytest.approx(1e-6)
    assert "on the same platform" in verdict.said


def test_the_sample_is_of_records_that_this_code_can_make(copy: Done) -> None:
    def planned(filters: Filters) -> Plan:
        return plan(narrow(TINY, replace(filters, datasets=())), [copy.source], seeds=filters.seeds)

    def sample(n: int, seed: int) -> tuple[list[Job], list[str]]:
        return verify.sample(store.read_all(copy.folder.runs)[0], planned, n, seed)

    jobs, unfit = sample(99, 0)
    assert len(jobs) == CELLS
    assert unfit == []
    few, _ = sample(3, 1)
    assert few == sample(3, 1)[0]
    assert few != sample(3, 2)[0]
    record = record_of(copy.folder, few[0])
    store.write(copy.folder.runs, replace(record, key="of older code"))
    rest, unfit = sample(99, 0)
    assert few[0].cell not in [job.cell for job in rest]
    ((_, why),) = (each.split(": ", 1) for each in unfit)
    assert why.startswith("settings, data or code have changed since commit ")
    assert str(record.env["commit"])[:12] in why, "what can make it again"


@pytest.mark.usefixtures("shared_worker")
def test_the_scores_of_a_record_tell_what_was_asked_for(copy: Done) -> None:
    extra = ("simple", "fidelity", "coverage")
    todo = plan(narrow(TINY, Filters(methods=("marginals",), metrics=extra)), [copy.source])
    run.execute(todo, copy.folder)
    record = record_of(copy.folder, todo.jobs[0])
    assert verify.asked(record) == ("fidelity", "coverage", "simple")
    same = plan(narrow(TINY, Filters(methods=("marginals",), metrics=verify.asked(record))), [copy.source])
    assert same.jobs[0].key == record.key, "the order in which metrics are named does not matter"


def elsewhere(record: Record, **scores: list[float]) -> Record:
    return replace(record, scores={**record.scores, **scores}, env=record.env | {"cpu": "another"})


def test_on_another_platform_the_scatter_is_the_measure(done: Done) -> None:
    first, second = (record_of(done.folder, pick(done.plan, "tabddpm", 5, d)) for d in (0, 1))
    first = replace(first, scores={"catboost_f1_macro": [0.80]}, eval_seeds=[0])
    second = replace(second, scores={"catboost_f1_macro": [0.82]}, eval_seeds=[0])
    group = verify.scattered([first, second])  # a deviation of 0.014
    near = judged(first, elsewhere(first, catboost_f1_macro=[0.84]), group)
    far = judged(first, elsewhere(first, catboost_f1_macro=[0.90]), group)
    assert near[0] == "equivalent"
    assert "elsewhere: cpu" in near[2]
    assert far[0] == "differs"
    assert judged(first, elsewhere(first, catboost_f1_macro=[0.805]), {})[0] == "equivalent"
    assert judged(first, elsewhere(first, catboost_f1_macro=[0.82]), {})[0] == "differs"
    cut = {"c2st_xgboost": [0.5], "c2st_xgboost_score": [1.0]}
    undetected = replace(first, scores=cut)
    apart = elsewhere(undetected, c2st_xgboost=[0.504], c2st_xgboost_score=[0.98])
    assert judged(undetected, apart, {})[0] == "equivalent", "what it is made from is within its scatter"
    apart = elsewhere(undetected, c2st_xgboost=[0.6], c2st_xgboost_score=[0.8])
    assert judged(undetected, apart, {})[2].startswith("c2st_xgboost beyond")
    more = replace(elsewhere(first), nfe=10)
    assert judged(replace(first, nfe=5), more, group)[0] == "differs"
    failed = replace(first, status="failed", reason="no luck", scores={}, eval_seeds=[])
    assert judged(first, failed, group) == ("failed", None, "no luck")


def test_the_scatter_of_a_few_seeds_is_no_less_than_that_of_cells_like_them(done: Done) -> None:
    few = record_of(done.folder, pick(done.plan, "tabddpm", 5))
    cells = [replace(few.cell, grid=grid) for grid in ("one", "two", "three")]
    values = ([0.80, 0.80], [0.70, 0.74, 0.78], [0.5])
    made = [
        replace(few, cell=c, scores={"f1": v}, eval_seeds=[*range(len(v))])
        for c, v in zip(cells, values, strict=True)
    ]
    found = verify.scattered(made)
    within = np.sqrt((1 * 0.0 + 2 * np.var(values[1], ddof=1)) / 3)
    first, second, third = (found[verify.kin(record), "f1"] for record in made)
    assert first == third == pytest.approx(within)
    assert second == pytest.approx(np.std(values[1], ddof=1))
    other = replace(few, cell=replace(cells[0], steps=100), scores={"f1": [0.5]}, eval_seeds=[0])
    assert (verify.kin(other), "f1") not in verify.scattered([*made, other]), "another budget has its own"


def test_suites_have_their_networks_in_common(copy: Done, worker: Kept, tmp_path: Path) -> None:
    job = pick(copy.plan, "tabddpm", 5)
    todo = replace(copy.plan, jobs=(job,))
    one, two = (verify.scratch(tmp_path, suite) for suite in ("one", "two"))
    assert [v.how for v in verify.verify(todo, copy.folder, one, executor=worker)] == ["bitwise"]
    trained = two.model(job) / "fitted.safetensors"
    before = trained.stat().st_mtime_ns
    assert [v.how for v in verify.verify(todo, copy.folder, two, executor=worker)] == ["bitwise"]
    assert trained.stat().st_mtime_ns == before, "it is not trained once more"


def test_networks_are_done_by_few_at_a_time_and_shown_as_one_run(
    copy: Done, worker: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "AT_ONCE", 1)
    jobs = [pick(copy.plan, "tabddpm", 2), pick(copy.plan, "marginals"), pick(copy.plan, "tabddpm", 5)]
    parts = verify._parts(jobs, 1)
    assert [[job.cell.method for job in part] for part in parts] == [["tabddpm", "tabddpm"], ["marginals"]]
    assert verify._parts(jobs, 2) == [tuple(jobs)]
    seen: list[tuple[int, int, float]] = []

    def watch(status: run.Status, outcome: Outcome | None) -> None:
        if outcome is not None:
            seen.append((len(status.outcomes), status.total, status.cost_left))

    todo = replace(copy.plan, jobs=tuple(jobs))
    found = verify.verify(todo, copy.folder, Folder(tmp_path / "again"), executor=worker, watch=watch)
    assert [v.how for v in found] == ["bitwise"] * 3
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[0][2] > seen[1][2] > seen[2][2] == pytest.approx(0)


# Stopped, and gone on with


def test_a_sample_that_is_stopped_keeps_its_verdicts_and_goes_on(
    copy: Done, worker: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [pick(copy.plan, "marginals", None, seed) for seed in (0, 1)]
    todo = replace(copy.plan, jobs=tuple(jobs))

    def stopping(status: run.Status, outcome: Outcome | None) -> None:
        if outcome is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify.verify(todo, copy.folder, Folder(tmp_path / "again"), executor=worker, watch=stopping)
    (first,) = verify.known(copy.folder).values()
    assert first["how"] == "bitwise"

    here = environment() | {"commit": "a" * 40, "dirty": False}
    monkeypatch.setattr(verify, "environment", lambda: here)
    assert verify.again(copy.folder, jobs) == [], "of a checkout that is not this one"
    verify.note(copy.folder, [verify.Verdict(**(first | {"env": here}))])
    (kept,) = verify.again(copy.folder, jobs)
    assert kept.cell == first["cell"]
    for other in ({"cpu_kind": "another"}, {"libraries": {"torch": "0"}}, {"commit": "b" * 40}):
        verify.note(copy.folder, [replace(kept, env=here | other)])
        assert verify.again(copy.folder, jobs) == []
    for other in (replace(kept, key="of another record"), replace(kept, how="failed")):
        verify.note(copy.folder, [other])
        assert verify.again(copy.folder, jobs) == []
    monkeypatch.setattr(verify, "environment", lambda: here | {"dirty": True})
    verify.note(copy.folder, [replace(kept, env=here | {"dirty": True})])
    assert verify.again(copy.folder, jobs) == [], "changed code may have changed once more"


def test_a_sample_is_a_number_or_a_part() -> None:
    assert [verify.size(text, 120) for text in ("3", "2%", " 2.5 %", "100%", "0.1%")] == [3, 3, 3, 120, 1]
    for text in ("0", "-1", "2.5", "%", "few", "0%", "nan%", "inf%"):
        with pytest.raises(ValueError, match="expected a number of cells such as 3, or a part"):
            verify.size(text, 120)


# Two folders


def test_two_folders_are_compared_cell_by_cell(done: Done, tmp_path: Path) -> None:
    shutil.copytree(done.folder.root, tmp_path / "b")
    other = Folder(tmp_path / "b")
    a, _ = store.read_all(done.folder.runs)
    assert set(diff(a, a)["what"]) == {"same"}
    changed, gone, failed, near = (
        pick(done.plan, "real"),
        pick(done.plan, "marginals"),
        pick(done.plan, "tabddpm", 2),
        pick(done.plan, "tabddpm", 5),
    )
    record = record_of(other, changed)
    store.write(
        other.runs,
        replace(
            record,
            scores={n: [v - 0.2 for v in vs] for n, vs in record.scores.items()},
            dataset_digest="0" * 64,
        ),
    )
    (other.runs / gone.cell.path).unlink()
    lost = record_of(other, failed)
    store.write(other.runs, replace(lost, status="failed", reason="no luck", scores={}, eval_seeds=[]))
    close = record_of(other, near)
    store.write(
        other.runs, replace(close, scores={n: [v + 1e-9 for v in vs] for n, vs in close.scores.items()})
    )
    b, _ = store.read_all(other.runs)
    found = diff(a, b, tolerance=1e-6).set_index("cell")

    def row(job: object) -> dict[str, object]:
        return dict(found.loc[str(job.cell.path.with_suffix(""))])  # type: ignore[attr-defined]

    assert row(changed)["what"] == "differs"
    assert row(changed)["difference"] == pytest.approx(0.2)
    assert "other data" in str(row(changed)["said"])
    assert row(gone)["what"] == "only in A"
    assert row(failed)["what"] == "status"
    assert str(row(failed)["said"]).startswith("ok / failed (no luck)")
    assert row(near)["what"] == "within"
    assert found["what"].value_counts()["same"] == CELLS - 4
    assert dict(diff(b, a).set_index("cell").loc[str(gone.cell.path.with_suffix(""))])["what"] == "only in B"


def test_scores_that_one_has_alone_or_more_often_are_not_the_same() -> None:
    for a, b in (
        ({"x": [0.8, 0.9]}, {"x": [0.1]}),
        ({"x": [0.8]}, {"y": [0.1]}),
        ({"x": [0.8], "y": [1.0]}, {"x": [0.8]}),
    ):
        (line,) = diff([scored(a)], [scored(b)], tolerance=10).to_dict("records")
        assert line["what"] == "differs"
        assert "scored" in line["said"]
