"""Plans: filters narrow a suite or say why not, and a key changes with whatever changes a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabstep import published
from tabstep.data.cards import DataError
from tabstep.data.settings import told
from tabstep.data.sources import ARCHIVE_VARIABLE, MIRROR_VARIABLE
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.engine import keys as content_keys
from tabstep.engine import tuned
from tabstep.engine.filters import Filters, Refused, narrow, suite_named
from tabstep.engine.job import Job, Source
from tabstep.engine.plan import Plan, plan
from tabstep.metrics import efficacy
from tabstep.registry import METHODS, SAMPLERS
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.deq import DEQ
from tabstep.samplers.free import FreeFirst
from tabstep.suite import Entry, Suite
from tabstep.suites import SUITES

TINY = Suite(
    name="tiny",
    about="for tests",
    datasets=("breast-cancer",),
    entries=(Entry("real"), Entry("tabddpm", "tiny", {"T": 20, "steps": 5, "layers": (8,)})),
    samplers=(("ddim", "trailing"),),
    steps=(2, 20, "T"),
    eval_seeds=2,
)


@pytest.fixture(autouse=True)
def no_outside_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (MIRROR_VARIABLE, ARCHIVE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def lay_out(suite: Suite = TINY, **options: Any) -> Plan:
    return plan(suite, [Source(name) for name in suite.datasets], **options)


def points(jobs: Sequence[Job]) -> list[tuple[Any, ...]]:
    return [(j.cell.method, j.cell.sampler, j.cell.grid, j.cell.steps, j.cell.train_seed) for j in jobs]


# Filters


def test_no_filters_leave_the_suite_as_it_is() -> None:
    for suite in SUITES.values():
        assert narrow(suite, Filters()) == suite


def test_filters_narrow() -> None:
    suite = SUITES["quick"]
    narrowed = narrow(suite, Filters(("diamonds-cut",), ("tabddpm", "real"), ("ddim",), (), (5, "T")))
    assert narrowed.datasets == ("diamonds-cut",)
    assert [(e.method, e.params) for e in narrowed.entries] == [("tabddpm", "quick"), ("real", "default")]
    assert narrowed.samplers == (("ddim", "trailing"),)
    assert narrowed.steps == (5, "T")
    assert (narrowed.name, narrowed.train_seeds) == (suite.name, suite.train_seeds)


def test_what_the_suite_lacks_is_added_at_its_defaults() -> None:
    narrowed = narrow(TINY, Filters(("wine",), ("smote",), ("ancestral-small",)))
    assert narrowed.datasets == ("wine",)
    assert narrowed.entries == (Entry("smote"),)
    assert narrowed.samplers == (("ancestral-small", "trailing"),)


def test_every_entry_of_a_method_and_every_grid_of_a_sampler_is_kept() -> None:
    suite = replace(
        TINY,
        entries=(Entry("tabddpm", "a"), Entry("real"), Entry("tabddpm", "b")),
        samplers=(("ddim", "trailing"), ("ddim", "linspace"), ("ancestral", "trailing")),
    )
    narrowed = narrow(suite, Filters(methods=("tabddpm",), samplers=("ddim",)))
    assert [e.params for e in narrowed.entries] == ["a", "b"]
    assert narrowed.samplers == (("ddim", "trailing"), ("ddim", "linspace"))


def test_grids_replace_those_of_the_suite() -> None:
    suite = replace(TINY, samplers=(("ddim", "trailing"), ("ancestral", "trailing")))
    crossed = narrow(suite, Filters(grids=("linspace", "trailing"))).samplers
    assert crossed == tuple((s, g) for s in ("ddim", "ancestral") for g in ("linspace", "trailing"))


def test_a_name_given_twice_counts_once() -> None:
    once = Filters(("wine",), ("real", "tabddpm"), ("ddim",), ("linspace",), (2, 5))
    twice = Filters(("wine",) * 2, ("real", "tabddpm", "real"), ("ddim",) * 2, ("linspace",) * 2, (2, 5))
    assert narrow(TINY, twice) == narrow(TINY, once)
    jobs = lay_out(seeds=(1, 1, 0), suite=TINY).jobs
    assert len({job.cell for job in jobs}) == len(jobs)
    assert list(dict.fromkeys(job.cell.train_seed for job in jobs)) == [1, 0]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters(datasets=("diamond-cut",)), "unknown dataset 'diamond-cut'; did you mean 'diamonds-cut'"),
        (Filters(methods=("tabdpm",)), "unknown method 'tabdpm'; did you mean 'tabddpm'"),
        (Filters(samplers=("dim",)), "unknown sampler 'dim'; did you mean 'ddim'"),
        (Filters(grids=("trail",)), "unknown grid 'trail'; did you mean 'trailing'"),
        (
            Filters(grids=("zzz",)),
            "unknown grid 'zzz'; known: dp, karras, leading, linspace, logsnr, measured, quad",
        ),
        (Filters(steps=(5, 0)), "steps must be positive integers or T, got 0"),
        (Filters(steps=(-3,)), "steps must be positive integers or T, got -3"),
        (Filters(metrics=("privcy",)), "unknown metric 'privcy'; did you mean 'privacy'"),
        (Filters(seeds=(0, -1)), "seeds must not be negative, got -1"),
    ],
)
def test_filters_that_cannot_be_met(filters: Filters, message: str) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        narrow(SUITES["quick"], filters)


def test_unknown_suite() -> None:
    assert suite_named("smoke") is SUITES["smoke"]
    with pytest.raises(Refused, match="unknown suite 'smok'; did you mean 'smoke'"):
        suite_named("smok")


# Cells


def test_cells_of_a_plan() -> None:
    found = lay_out()
    assert not found.skipped
    assert points(found.jobs) == [
        ("real", None, None, None, 0),
        ("tabddpm", "ddim", "trailing", 2, 0),
        ("tabddpm", "ddim", "trailing", 20, 0),  # T is 20: asked for once by number, once by name
    ]
    for job in found.jobs:
        assert job.task == "binclass"
        assert job.rows == len(job.source.load().train)
        assert job.dataset_digest == job.source.load().digest
        assert job.eval_seeds == (0, 1)


def test_seeds_are_crossed() -> None:
    jobs = lay_out(replace(TINY, train_seeds=2, sample_seeds=3)).jobs
    seeds = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [(j.cell.train_seed, j.cell.sample_seed) for j in jobs if j.cell.method == "real"] == seeds
    assert len(jobs) == 6 * (1 + 2)
    given = lay_out(TINY, seeds=(7,)).jobs
    assert {j.cell.train_seed for j in given} == {7}


def test_a_single_table_may_be_drawn_oftener() -> None:
    suite = replace(TINY, entries=(Entry("real"),), sample_seeds=2)
    (table,) = {j.cell.dataset for j in lay_out(suite).jobs}
    for draws, expected in (({table: 4}, 4), ({"another": 4}, 2)):
        jobs = lay_out(replace(suite, sample_seeds_of=draws)).jobs
        assert [j.cell.sample_seed for j in jobs] == [*range(expected)]


def test_one_fit_serves_all_budgets_and_sampling_seeds() -> None:
    jobs = [j for j in lay_out(replace(TINY, sample_seeds=2)).jobs if j.cell.method == "tabddpm"]
    assert len(jobs) == 4
    assert len({j.fit_key for j in jobs}) == 1
    assert len({j.key for j in jobs}) == 4


# Keys


def keys(suite: Suite = TINY, **options: Any) -> list[tuple[str, str]]:
    return [(job.fit_key, job.key) for job in lay_out(suite, **options).jobs]


def test_same_plan_same_keys_wherever_it_runs() -> None:
    assert keys() == keys()
    assert keys() == keys(device="cuda", threads=8, workers=5)
    assert keys() == keys(replace(TINY, about="another text"))


TABDDPM = TINY.entries[1]


@pytest.mark.parametrize(
    ("change", "refit"),
    [
        (
            {"entries": (TINY.entries[0], replace(TABDDPM, settings={**TABDDPM.settings, "lr": 0.5}))},
            True,
        ),
        ({"entries": (TINY.entries[0], replace(TABDDPM, params="renamed"))}, False),
        ({"eval_seeds": 3}, False),
        ({"evaluator": "fast"}, False),
        ({"name": "other"}, False),
    ],
)
def test_key_follows_what_changes_numbers(change: dict[str, Any], refit: bool) -> None:
    before, after = keys()[1], keys(replace(TINY, **change))[1]
    assert before[1] != after[1]
    assert (before[0] != after[0]) == refit, "a model is fitted anew when and only when its fit changes"


def test_key_follows_seeds() -> None:
    first = replace(TINY, train_seeds=2, sample_seeds=2, steps=(2,))
    found = {
        (j.cell.train_seed, j.cell.sample_seed): (j.fit_key, j.key)
        for j in lay_out(first).jobs
        if j.cell.method == "tabddpm"
    }
    assert len({key for _, key in found.values()}) == 4
    assert found[0, 0][0] == found[0, 1][0] != found[1, 0][0]


def test_key_follows_the_data(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": range(40), "y": ["a", "b"] * 20})
    found = []
    for name, change in (("one", 0), ("two", 1)):
        folder = tmp_path / name
        folder.mkdir()
        frame.assign(x=frame["x"] + change).to_csv(folder / "table.csv", index=False)
        found.append(plan(TINY, [Source("table", file=folder / "table.csv", target="y")]).jobs)
    for before, after in zip(*found, strict=True):
        assert before.cell == after.cell
        assert before.fit_key != after.fit_key
        assert before.key != after.key


def test_key_follows_the_settings_of_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys()
    monkeypatch.setitem(SAMPLERS, "ddim", DDIM(eta=0.5))
    after = keys()
    assert before[0] == after[0], "the baseline has no sampler"
    assert all(b[0] == a[0] and b[1] != a[1] for b, a in zip(before[1:], after[1:], strict=True))


def test_a_field_that_came_later_leaves_keys_as_they_were() -> None:
    """At its default; at another value it is in them."""
    assert told(DEQ()) == {"history": 0, "tol": 1e-4, "clip_x0": True}
    assert told(DEQ(eta=0.5)) == {"history": 0, "tol": 1e-4, "clip_x0": True, "eta": 0.5}
    assert told(FreeFirst(DEQ(eta=0.5)))["update"]["eta"] == 0.5
    for name, later in (("tabddpm", set()), ("iddpm", {"variance", "predicts"})):
        method = METHODS[name]()
        assert asdict(method).keys() - told(method).keys() == later  # type: ignore[call-overload]
    for sampler in SAMPLERS.values():
        later = {"DEQ": {"eta"}, "DDSS": {"marginal"}}.get(type(sampler).__name__, set())
        assert asdict(sampler).keys() - told(sampler).keys() <= later  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("place", "name", "refit"),
    [
        (content_keys, "FIT_VERSION", True),
        (content_keys, "DRAW_VERSION", False),
        (efficacy, "VERSION", False),
    ],
)
def test_key_follows_versions(place: Any, name: str, refit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys()
    monkeypatch.setattr(place, name, 999)
    for b, a in zip(before, keys(), strict=True):
        assert b[1] != a[1]
        assert (b[0] != a[0]) == refit


def test_unknown_setting() -> None:
    with pytest.raises(ValueError, match="TabDDPM has no setting width; it has: T, schedule"):
        lay_out(replace(TINY, entries=(Entry("tabddpm", "typo", {"width": 8}),)))


# What cannot run


def test_unreachable_dataset_is_skipped_with_its_reason(tmp_path: Path) -> None:
    found = plan(TINY, [Source("adult", mirror=tmp_path), Source("breast-cancer")])
    assert {j.cell.dataset for j in found.jobs} == {"breast-cancer"}
    assert points([j for j, _ in found.skipped]) == points(found.jobs), "skipped cell by cell"
    for job, reason in found.skipped:
        assert "adult.parquet" in reason
        assert (job.cell.dataset, job.task, job.rows, job.dataset_digest) == ("adult", "binclass", 0, "")


def test_other_bytes_than_the_card_says_stop_the_plan(tmp_path: Path) -> None:
    (tmp_path / "adult.parquet").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"adult\.parquet: sha256: expected"):
        plan(TINY, [Source("adult", mirror=tmp_path)])


def test_published_entries_take_the_authors_settings_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Source("breast-cancer").load()
    monkeypatch.setattr("tabstep.engine.job._dataset", lambda source: replace(real, name="churn2"))
    suite = replace(TINY, entries=(Entry("tabddpm", "published"), Entry("real")), evaluator="published")
    found = plan(suite, [Source("churn2")])
    known = published.tabddpm("churn2")
    ours, ceiling = (next(j for j in found.jobs if j.cell.method == m) for m in ("tabddpm", "real"))
    assert ours.settings == known.settings
    assert ours.rows == known.rows == 26000  # published: 4.06 times the 6400 training rows
    assert ceiling.rows == len(real.train)
    assert max(j.cell.steps or 0 for j in found.jobs) == known.settings["T"]
    assert dict(ours.evaluator.params)["depth"] == published.catboost("churn2").depth


def test_a_suite_draws_as_many_rows_as_the_authors_by_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Source("breast-cancer").load()
    suite = replace(TINY, rows="published")
    found = plan(suite, [Source("breast-cancer")])
    assert not found.jobs
    assert all(reason.startswith("no published configuration") for _, reason in found.skipped)
    monkeypatch.setattr("tabstep.engine.job._dataset", lambda source: replace(real, name="churn2"))
    assert {job.rows for job in plan(suite, [Source("churn2")]).jobs} == {26000}


def test_fast_settings_are_those_that_train_as_long_as_ours() -> None:
    suite = replace(TINY, entries=(*TINY.entries, Entry("tabstep")))
    entries = {e.method: e for e in narrow(suite, Filters(params="fast")).entries}
    assert (entries["tabddpm"].params, entries["tabstep"].params) == ("fast", "default")
    fast, ours = TabDDPM(**entries["tabddpm"].settings), TabStep()
    for name in ("T", "layers"):
        assert getattr(fast, name) == getattr(ours, name), name
    assert fast.steps * fast.batch_size == ours.steps * ours.batch_size


def test_settings_that_a_suite_has_under_its_own_name_are_chosen_by_it() -> None:
    entries = narrow(suite_named("authors"), Filters(params="long")).entries
    assert [(e.method, e.params, e.settings["steps"]) for e in entries] == [
        ("tabstep", "long", 3 * TabStep().steps)
    ]
    with pytest.raises(Refused, match="unknown params 'long'; known: default, fast, published, quick, tuned"):
        narrow(suite_named("quick"), Filters(params="long"))
    with pytest.raises(Refused, match="unknown params 'long'"):
        narrow(suite_named("authors"), Filters(methods=("mixture",), params="long"))


def test_a_table_of_ones_own_has_the_measure_of_few_steps_too() -> None:
    suite = suite_named("own")
    for entry in suite.entries:
        walked = {*(entry.samplers or suite.samplers), *suite.full}
        assert ("ancestral", "trailing") in walked
    assert "T" in suite.steps


def test_published_entries_without_a_publication_are_skipped() -> None:
    entries = (Entry("tabddpm", "published"), Entry("smote", "published"), Entry("real"))
    found = lay_out(replace(TINY, entries=entries))
    assert [j.cell.method for j in found.jobs] == ["real"]
    reasons = {j.cell.method: reason for j, reason in found.skipped}
    assert reasons["tabddpm"].startswith("no published configuration for breast-cancer; there is one for")
    assert reasons["smote"] == "no published settings of smote are kept, only of tabddpm"


def test_missing_tuned_evaluator_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tuned, "TUNED", tmp_path)
    found = lay_out(replace(TINY, evaluator="tuned"))
    assert not found.jobs
    assert {reason for _, reason in found.skipped} == {
        "no tuned evaluator: results/tuned/breast-cancer/catboost.json does not exist"
    }
    (tmp_path / "breast-cancer").mkdir()
    (tmp_path / "breast-cancer" / "catboost.json").write_text('{"digest": "0123456789abcdef", "params": {}}')
    with pytest.raises(DataError, match=r"was tuned on data 0123456789ab, found .*; tune again"):
        lay_out(replace(TINY, evaluator="tuned"))


def test_all_grids_are_one_path_at_T_steps() -> None:
    samplers = (("ancestral", "quad"), ("ancestral", "dp"), ("ddim", "trailing"))
    entry = Entry("tabddpm", "tiny", {"T": 10, "steps": 1, "layers": (8,)})
    suite = replace(TINY, entries=(entry,), samplers=samplers, steps=(2, 10, "T"))
    found = {(job.cell.sampler, job.cell.grid, job.cell.steps) for job in lay_out(suite).jobs}
    assert found == {(s, g, 2) for s, g in samplers} | {("ancestral", "quad", 10), ("ddim", "trailing", 10)}


def test_what_few_steps_are_held_against_runs_at_all_steps_alone() -> None:
    base = (("ancestral", "trailing"),)
    entry = Entry("tabddpm", "tiny", {"T": 8})
    suite = replace(TINY, entries=(entry,), samplers=(("ddim", "quad"),), full=base)

    def of(suite: Suite) -> list[tuple[str | None, int | None]]:
        return [(job.cell.sampler, job.cell.steps) for job in lay_out(suite).jobs]

    def narrowed(**filters: Any) -> list[tuple[str | None, int | None]]:
        return of(narrow(suite, Filters(**filters)))

    few = [("ddim", 2), ("ddim", 4)]
    assert of(replace(suite, steps=(2, 4))) == [*few, ("ancestral", 8)]
    both = replace(suite, steps=(2, "T"), samplers=(*base, ("ddim", "quad")))
    assert set(of(both)) == {("ancestral", 2), ("ancestral", 8), ("ddim", 2), ("ddim", 8)}
    assert len(of(both)) == 4
    assert narrowed(steps=(4,)) == [("ddim", 4)]
    assert narrowed(steps=(4, "T")) == [("ddim", 4), ("ddim", 8), ("ancestral", 8)]
    assert narrowed(samplers=("ancestral",), steps=("T",)) == [("ancestral", 8)]
    assert ("ancestral", 8) not in narrowed(samplers=("ddim",))


def test_a_sampler_may_have_budgets_of_its_own_until_a_user_asks_for_others() -> None:
    entry = Entry("tabddpm", "tiny", {"T": 8})
    two = (("ddim", "quad"), ("ancestral", "trailing"))
    suite = replace(TINY, entries=(entry,), samplers=two, steps=(2, 4, "T"), steps_of={"ddim": (1,)})

    def of(suite: Suite) -> set[tuple[str | None, int | None]]:
        return {(job.cell.sampler, job.cell.steps) for job in lay_out(suite).jobs}

    assert of(suite) == {("ddim", 1), ("ancestral", 2), ("ancestral", 4), ("ancestral", 8)}
    assert of(narrow(suite, Filters(samplers=("ddim",)))) == {("ddim", 1)}
    assert of(narrow(suite, Filters(steps=(4,)))) == {("ddim", 4), ("ancestral", 4)}


def test_an_entry_may_have_samplers_of_its_own() -> None:
    own = Entry("iddpm", "tiny", {"T": 10}, samplers=(("learned", "dp"),))
    suite = replace(TINY, entries=(Entry("tabddpm"), own), samplers=(("ddim", "quad"),), steps=(2,))

    def pairs(narrowed: Suite) -> set[tuple[str, str | None, str | None]]:
        jobs = lay_out(narrowed).jobs
        return {(job.cell.method, job.cell.sampler, job.cell.grid) for job in jobs}

    assert pairs(suite) == {("tabddpm", "ddim", "quad"), ("iddpm", "learned", "dp")}
    assert pairs(narrow(suite, Filters(grids=("trailing",)))) == {
        ("tabddpm", "ddim", "trailing"),
        ("iddpm", "learned", "trailing"),
    }


def test_metrics_and_the_number_of_rows_enter_the_key() -> None:
    suite = replace(TINY, entries=(Entry("real"),))
    plain, scored, fewer = (
        lay_out(s).jobs[0]
        for s in (suite, replace(suite, metrics=("efficacy", "validation")), replace(suite, rows=100))
    )
    assert len({plain.key, scored.key, fewer.key}) == 3
    assert plain.rows > fewer.rows == 100


def test_seconds_to_fit_are_a_setting_under_a_label_of_their_own() -> None:
    suite = narrow(suite_named("own"), Filters(methods=("tabstep", "smote"), fit_seconds=7.5))
    timed, plain = suite.entries
    assert (timed.params, timed.settings) == ("7.5s", {"seconds": 7.5})
    assert plain == Entry("smote")
    with pytest.raises(Refused, match="that can end by the clock: tabstep; name one with --method"):
        narrow(suite_named("own"), Filters(methods=("smote", "tabddpm"), fit_seconds=5))
