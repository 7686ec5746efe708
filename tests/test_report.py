"""Tables against numbers worked by hand, figures against the table behind them."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer
from rich.console import Console
from scipy import stats

from tabstep.records.store import Cell, Record
from tabstep.report.figures import hues, levels, plots
from tabstep.report.numbers import table
from tabstep.report.pages import against, readable
from tabstep.report.pages import scores as all_scores

F1 = "catboost_f1_macro"
COLUMNS = [
    *("suite", "dataset", "task", "method", "params", "sampler", "grid", "steps", "nfe"),
    *("metric", "mean", "std", "low", "high", "n_train_seeds", "n_sample_seeds", "n_eval_seeds"),
    *("rows", "fit_s", "prepare_s", "sample_s", "status", "reason", "commit", "all_steps", "mark", "device"),
]


def make(
    scores: dict[str, list[float]],
    *,
    dataset: str = "adult",
    method: str = "tabddpm",
    sampler: str | None = "ddim",
    steps: int | None = 10,
    train: int = 0,
    sample: int = 0,
    **changes: Any,
) -> Record:
    values: dict[str, Any] = {
        "cell": Cell(
            "paper", dataset, method, "default", sampler, "quad" if sampler else None, steps, train, sample
        ),
        "status": "ok",
        "reason": None,
        "traceback": None,
        "task": "binclass",
        "key": "k",
        "settings": {"evaluator": {"source": "tuned"}},
        "rows": 100,
        "nfe": steps,
        "fit_s": 2.0,
        "prepare_s": None,
        "sample_s": 0.5,
        "peak_bytes": None,
        "scores": scores,
        "eval_seeds": list(range(max(map(len, scores.values()), default=0))),
        "dataset_digest": f"digest of {dataset}",
        "env": {"commit": "a" * 40, "dirty": False, "cpu": "Made-up 9000", "cores": 4},
        "created": "2026-01-02T03:04:05+00:00",
    }
    return Record(**{**values, **changes})


def failed(reason: str = "out of memory", status: str = "failed", **changes: Any) -> Record:
    return make({}, status=status, reason=reason, nfe=None, sample_s=None, **changes)


def only(frame: pd.DataFrame) -> pd.Series:
    assert len(frame) == 1
    return frame.iloc[0]


NESTED = {(0, 0): [1.0, 3.0], (0, 1): [5.0, 7.0], (1, 0): [2.0, 4.0], (1, 1): [6.0, 12.0]}


def test_summary_worked_by_hand() -> None:
    records = [
        make({F1: values}, train=train, sample=sample, nfe=nfe, sample_s=float(nfe))
        for ((train, sample), values), nfe in zip(NESTED.items(), (10, 12, 11, 30), strict=True)
    ]
    frame = table.results(records)
    assert list(frame.columns) == COLUMNS
    row = only(frame)
    # Unit means 2 6 | 3 9, training means 4 | 6.
    assert row["mean"] == pytest.approx(5.0)
    assert row["std"] == pytest.approx(np.sqrt(84 / 7))  # squared distances from 5: 16 4 0 4 9 1 1 49
    assert row["low"] == pytest.approx(5 - 12.7062047)  # t(0.975, 1) * sqrt(2) / sqrt(2)
    assert row["high"] == pytest.approx(5 + 12.7062047)
    assert (row["n_train_seeds"], row["n_sample_seeds"], row["n_eval_seeds"]) == (2, 2, 2)
    assert row["nfe"] == 11.5
    assert row["sample_s"] == 11.5
    assert np.isnan(row["prepare_s"])
    assert (row["status"], row["reason"], row["commit"]) == ("ok", None, "a" * 12)
    assert frame["steps"].dtype == "Int64"


def of(trained: str, drew: str, **changes: Any) -> Record:
    """A record scored on a CPU; GPUs are devices of any other name."""
    env = {"device": "cpu"} if drew == "cpu" else {"device": "cuda", "gpu": drew}
    return make({F1: [0.5]}, settings={"fitted": {"on": trained}, "drawn": {"env": env}}, **changes)


def test_seconds_are_of_the_device_that_drew_not_of_the_one_that_scored() -> None:
    row = only(table.results([of("A 100", "A 100"), of("A 100", "A 100", train=1)]))
    assert (row["device"], row["fit_s"], row["sample_s"]) == ("A 100", 2.0, 0.5)


def test_seconds_of_two_devices_have_no_median() -> None:
    drawn = only(table.results([of("A 100", "A 100"), of("A 100", "cpu", sample=1)]))
    assert (drawn["device"], drawn["mean"]) == ("A 100+cpu", 0.5), "scores are of either"
    assert drawn[["fit_s", "prepare_s", "sample_s"]].isna().all()
    trained = only(table.results([of("A 100", "cpu")]))
    assert (trained["device"], trained["sample_s"]) == ("cpu", 0.5)
    assert np.isnan(trained["fit_s"])


def test_mean_gives_every_training_seed_the_same_weight() -> None:
    records = [make({F1: [1.0]}), make({F1: [2.0]}, train=1), make({F1: [4.0]}, train=1, sample=1)]
    row = only(table.results(records))
    assert row["mean"] == pytest.approx(2.0)  # (1 + (2 + 4) / 2) / 2, not 7 / 3
    assert (row["n_train_seeds"], row["n_sample_seeds"], row["n_eval_seeds"]) == (2, 2, 1)


def test_interval_is_along_the_topmost_axis_with_levels() -> None:
    by_sample = [make({F1: [value - 1, value + 1]}, sample=i) for i, value in enumerate((1.0, 2.0, 6.0))]
    row = only(table.results(by_sample))
    half = stats.t.ppf(0.975, 2) * np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    assert (row["low"], row["high"]) == (pytest.approx(3 - half), pytest.approx(3 + half))

    row = only(table.results([make({F1: [1.0, 2.0, 6.0]})]))
    assert (row["low"], row["high"]) == (pytest.approx(3 - half), pytest.approx(3 + half))
    assert row["std"] == pytest.approx(np.std([1, 2, 6], ddof=1))

    row = only(table.results([make({F1: [0.5]})]))
    assert row["mean"] == 0.5
    assert row[["std", "low", "high"]].isna().all()


def test_spread_worked_by_hand() -> None:
    shifted = {key: [value + 10 * key[0] for value in values] for key, values in NESTED.items()}
    row = only(table.spread([make({F1: values}, train=t, sample=s) for (t, s), values in shifted.items()]))
    # Within cells 2 2 2 18 -> 6; within training seeds 8 18 -> 13 = sample + 6/2; between (4, 16) -> 72.
    assert row["std_eval"] == pytest.approx(np.sqrt(6))
    assert row["std_sample"] == pytest.approx(np.sqrt(10))
    assert row["std_train"] == pytest.approx(np.sqrt(72 - 10 / 2 - 6 / 4))
    # Unshifted, the training means 4 and 6 differ less than the lower levels explain.
    row = only(table.spread([make({F1: values}, train=t, sample=s) for (t, s), values in NESTED.items()]))
    assert row["std_train"] == 0.0


def test_spread_recovers_known_deviations() -> None:
    rng = np.random.default_rng(0)
    records = []
    for train in range(60):
        centre = 3.0 * rng.standard_normal()
        for sample in range(6 if train % 2 else 3):  # unbalanced
            middle = centre + 2.0 * rng.standard_normal()
            scores = (middle + rng.standard_normal(4)).tolist()
            records.append(make({F1: scores}, train=train, sample=sample))
    row = only(table.spread(records))
    assert row["std_train"] == pytest.approx(3.0, rel=0.25)
    assert row["std_sample"] == pytest.approx(2.0, rel=0.15)
    assert row["std_eval"] == pytest.approx(1.0, rel=0.1)


def test_spread_is_empty_on_axes_with_one_level() -> None:
    row = only(table.spread([make({F1: [1.0]}), make({F1: [3.0]}, train=1)]))
    assert row["std_train"] == pytest.approx(np.sqrt(2))
    assert row[["std_sample", "std_eval"]].isna().all()


def test_failed_skipped_and_partial_groups_are_rows() -> None:
    records = [
        failed(steps=1, sample=0),
        failed(steps=1, sample=1),
        failed("cannot do 3 steps", "skipped", steps=3),
        make({F1: [0.5, 0.7], "shape": [0.9]}, steps=5, train=0, fit_s=2.0),
        make({F1: [0.7, 0.9]}, steps=5, train=1, fit_s=4.0),
        failed(steps=5, train=2, fit_s=100.0),
    ]
    frame = table.results(records)
    assert list(frame["steps"]) == [1, 3, 5, 5]
    lost, skipped, partial, shape = (row for _, row in frame.iterrows())
    assert (lost["status"], lost["reason"], lost["metric"]) == ("failed", "out of memory", None)
    assert lost[["mean", "std", "low", "high", "nfe"]].isna().all()
    assert (lost["n_train_seeds"], lost["n_eval_seeds"]) == (0, 0)
    assert (skipped["status"], skipped["reason"]) == ("skipped", "cannot do 3 steps")
    assert (partial["status"], partial["reason"]) == ("partial", "1 of 3 failed: out of memory")
    assert partial["mean"] == pytest.approx(0.7)
    assert partial["n_train_seeds"] == 2
    assert partial["fit_s"] == 3.0  # cells that are ok
    assert shape["reason"] == "1 of 3 failed: out of memory; shape in 1 of 2 cells that are ok"

    mixed = only(table.results([failed(), failed("cannot", "skipped", train=1)]))
    assert (mixed["status"], mixed["reason"]) == (
        "failed",
        "1 of 2 failed, 1 of 2 skipped: cannot; out of memory",
    )


def test_a_metric_missing_in_some_cells_is_partial() -> None:
    frame = table.results([make({F1: [0.5], "shape": [0.9]}), make({F1: [0.6]}, train=1)])
    status = dict(zip(frame["metric"], frame["status"], strict=True))
    assert status == {F1: "ok", "shape": "partial"}


def test_methods_without_steps_leave_the_budget_empty() -> None:
    row = only(table.results([make({F1: [0.5]}, method="smote", sampler=None, steps=None)]))
    assert row[["sampler", "grid", "steps", "nfe"]].isna().all()
    text = table.csv(table.results([make({F1: [0.5]}, method="smote", sampler=None, steps=None)]))
    assert ",smote,default,,,,,catboost_f1_macro,0.5," in text


def test_contradicting_records_are_refused() -> None:
    with pytest.raises(ValueError, match="two records of one cell"):
        table.results([make({F1: [0.5]}), make({F1: [0.6]})])
    with pytest.raises(ValueError, match="different data"):
        table.results([make({F1: [0.5]}), make({F1: [0.6]}, train=1, dataset_digest="other")])
    with pytest.raises(ValueError, match="no records"):
        readable.write([], Path("never-made"))


def small_run(worst_f1: float = 0.1) -> list[Record]:
    """Two datasets, two samplers, three baselines; one of them far below the rest, one failed."""
    records = []
    for dataset, task, metric, worst in (
        ("adult", "binclass", F1, worst_f1),
        ("king", "regression", "catboost_r2", -4.0),
    ):
        common: dict[str, Any] = {"dataset": dataset, "task": task}
        for seed in (0, 1):
            for sampler, weight in (("ancestral", 0.5), ("ddim", 0.2)):
                for steps in (2, 5, 10, 100):
                    scores = [0.8 - weight / steps + 0.01 * seed, 0.81 - weight / steps]
                    records.append(make({metric: scores}, sampler=sampler, steps=steps, train=seed, **common))
        for method, value in (("real", 0.85), ("smote", 0.75), ("marginals", worst)):
            records.append(make({metric: [value]}, method=method, sampler=None, steps=None, **common))
        records.append(failed("line one\nline | two", method="ctgan", sampler=None, steps=None, **common))
    return records


@pytest.mark.whole
def test_report_is_the_same_bytes_for_the_same_records_in_any_order(tmp_path: Path) -> None:
    records = [record for record in small_run() if record.cell.dataset == "adult"]
    shuffled = random.Random(0).sample(records, len(records))
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, part in ((first, records), (second, shuffled)):
        written = readable.write(part, folder) + plots.quality_against_cost(table.results(part), folder)
        assert all(path.stat().st_size > 0 for path in written)
    assert (first / "quality_against_cost.png").read_bytes().startswith(b"\x89PNG")
    assert (first / "quality_against_cost.pdf").read_bytes().startswith(b"%PDF")
    names = sorted(path.name for path in first.iterdir())
    assert names == [
        *(f"quality_against_cost.{suffix}" for suffix in ("csv", "pdf", "png")),
        *("results.csv", "results.md", "spread.csv"),
    ]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_markdown_reads_well() -> None:
    records = small_run()
    text = readable.markdown(records, table.results(records))
    assert "## adult (catboost_f1_macro)" in text
    assert "## king (catboost_r2)" in text
    assert "- Made: 2026-01-02 (UTC)" in text
    assert "- Hardware: Made-up 9000, 4 logical cores, no GPU" in text
    assert "- Seeds: training 0, 1; sampling 0; evaluator 0, 1" in text
    assert "- Evaluator: CatBoost, parameters tuned" in text
    assert "Note" not in text
    # 0.75 of a ceiling of 0.85 is 88.2 %.
    assert "| smote | default |  |  |  | 0.7500 |  | 88.2 |  | 2 |  | 0.5 | ok |" in text
    assert "| failed: line one line \\| two |" in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| ")}
    assert widths == {14}


def test_what_could_not_be_scored_is_told_with_its_reason() -> None:
    lost = {"detection": "ValueError: too few rows", "simple": "a\nb | c"}
    records = [
        make({F1: [0.5]}, settings={"unscored": lost}),
        make({F1: [0.5]}, train=1, settings={"unscored": {"simple": "a\nb | c"}}),
        make({F1: [0.5]}, train=2),
    ]
    text = readable.markdown(records, table.results(records))
    section = text.partition("## Scores that could not be computed\n\n")[2].splitlines()[2:]
    assert [line.split(" | ", 4)[4] for line in section] == [
        "detection | ValueError: too few rows | 1 |",
        "simple | a b \\| c | 2 |",
    ]


def test_markdown_warns_of_dirty_trees_and_several_commits() -> None:
    dirty = {"commit": "b" * 40, "dirty": True}
    records = [make({F1: [0.5]}), make({F1: [0.5]}, train=1, env=dirty), make({F1: [0.5]}, train=2, env={})]
    frame = table.results(records)
    assert only(frame)["commit"] == f"{'a' * 12}+{'b' * 12}-dirty+unknown"
    text = readable.markdown(records, frame)
    assert "1 of 3 records were made with uncommitted changes" in text
    assert "1 of 3 records do not know the commit" in text
    assert "made by 3 states of the code" in text


def test_tables_show_every_score_of_the_vector_that_there_is() -> None:
    whole = {F1: [0.5, 0.7], "c2st_xgboost": [0.81], "wasserstein": [0.0123], "coverage": [1.0]}
    records = [make(whole), make({F1: [0.9]}, method="copulagan", sampler=None, steps=None)]
    frame = table.results(records)
    text = readable.markdown(records, frame)
    assert "| score | 95 % | % of real | c2st_xgboost | wasserstein | coverage | nfe |" in text
    assert "|  | 0.8100 | 0.0123 | 1.0000 | 10 |" in text
    console = Console(file=io.StringIO(), width=80)
    readable.show(frame, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"tabddpm +ddim quad +10 0\.600 0\.810 0\.012 1\.000", shown)
    assert re.search(r"score +C2ST Wass\. cover +draw s", shown)


def test_terminal_table_fits_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80)
    readable.show(table.results(small_run()), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    for text in (
        "adult (catboost_f1_macro)",
        "ancestral quad",
        "88.2",
        "ctgan default: failed, line one line | two",
    ):
        assert text in shown


def test_scores_stand_beside_the_published_ones() -> None:
    r2 = "catboost_r2"
    plain: dict[str, Any] = {"sampler": None, "steps": None}
    records = [
        make({r2: [0.88, 0.90]}, dataset="king", method="real", task="regression", **plain),
        make({r2: [0.5, 0.5]}, dataset="king", method="copula", task="regression", **plain),
        make({F1: [0.9, 0.8]}, dataset="of-my-own", method="real", **plain),
        make({F1: [0.9]}, dataset="wilt", method="real", **plain),
    ]
    compared = against.against(table.results(records))
    assert compared["dataset"].tolist() == ["king", "wilt"], "no row without a published one"
    king, wilt = (row for _, row in compared.iterrows())
    assert (king["published"], king["published_std"]) == (0.907, 0.002)  # Table 5 of the paper
    assert king["difference"] == pytest.approx(0.89 - 0.907)
    assert king["z"] == pytest.approx((0.89 - 0.907) / np.hypot(np.std([0.88, 0.90], ddof=1), 0.002))
    assert king["within"]
    assert pd.isna(wilt["z"]), "one score has no deviation"
    assert pd.isna(wilt["within"])
    console = Console(file=io.StringIO(), width=100)
    against.show(compared, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0.890±0.014" in shown
    assert "0.907±0.002" in shown


@pytest.mark.usefixtures("blank_figures")
def test_figure_shows_the_table(tmp_path: Path) -> None:
    frame = table.results(small_run())
    paths = plots.quality_against_cost(frame, tmp_path)
    assert [path.suffix for path in paths] == [".png", ".pdf", ".csv"]
    expected = plots.shown(frame)
    read = pd.read_csv(paths[2], dtype={"steps": "Int64"}).astype(
        {"rows": float, "nfe": float, "fit_s": float}
    )
    numeric = ["steps", "nfe", "mean", "std", "low", "high", "sample_s", "fit_s", "n_train_seeds"]
    pd.testing.assert_frame_equal(read[numeric], expected[numeric], rtol=1e-11)
    names = ["dataset", "method", "sampler", "grid", "metric", "status"]
    assert read[names].fillna("").equals(expected[names].fillna(""))

    figure = plots.draw(expected)
    assert len(figure.axes) == 4
    left, right = figure.axes[0], figure.axes[1]
    ddim = expected[(expected["dataset"] == "adult") & (expected["sampler"] == "ddim")]
    for axes, cost in ((left, "nfe"), (right, "seconds")):
        assert axes.get_xscale() == "log"
        drawn = [part.lines[0] for part in axes.containers if isinstance(part, ErrorbarContainer)]
        line = next(line for line in drawn if line.get_color() == hues.colour("tabddpm", "ddim"))
        np.testing.assert_allclose(line.get_xdata(), ddim[cost].to_numpy(float))
        np.testing.assert_allclose(line.get_ydata(), ddim["mean"].to_numpy(float))
        container = next(part for part in axes.containers if line in part.get_children())
        ends = np.array([segment[:, 1] for segment in container.lines[2][0].get_segments()])
        np.testing.assert_allclose(np.diff(ends)[:, 0], 2 * ddim["std"].to_numpy(float), atol=1e-12)
    assert left.get_ylim() == right.get_ylim()


def test_a_very_low_baseline_does_not_squash_the_figure() -> None:
    frame = table.results(small_run(worst_f1=-4.0))
    figure = plots.draw(plots.shown(frame))
    low, high = figure.axes[0].get_ylim()
    assert -1 < low < 0.75
    assert 0.85 < high < 1
    for axes in figure.axes:
        assert any("marginals -4.00" in text.get_text() for text in axes.texts)
    dashed = [line for line in figure.axes[0].lines if set(line.get_ydata()) == {0.85}]
    assert dashed  # the real data, in view


def test_labels_are_kept_apart_in_order() -> None:
    places = levels.apart([0.5, 0.1, 0.5, 0.52], gap=0.1)
    assert np.diff(np.sort(places)).min() >= 0.1 - 1e-6
    assert np.argsort(places, kind="stable").tolist() == [1, 0, 2, 3]
    assert levels.apart([], gap=0.1) == []


def test_colours_depend_on_names_alone_and_differ() -> None:
    shades = {hues.colour(method, sampler) for method in hues.TINTS for sampler in hues.HUES}
    assert len(shades) == len(hues.TINTS) * len(hues.HUES)
    assert hues.colour("tabddpm", "dpm-solver") == hues.colour("tabddpm", "dpm_solver")
    assert hues.colour("new", "unheard-of") == hues.colour("new", "unheard-of")


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.quality_against_cost(table.results([failed()]), tmp_path)


def test_the_page_of_all_scores_has_a_table_per_family_with_intervals_and_parts_of_real(
    tmp_path: Path,
) -> None:
    def both(f1: list[float], xgboost: float, shape: float, **where: Any) -> Record:
        found = {F1: f1, "xgboost_f1_macro": [xgboost], "shape": [shape], "c2st_xgboost": [0.6]}
        return make({**found, "c2st_xgboost_low": [0.55], "c2st_xgboost_high": [0.65]}, **where)

    records = [
        both([0.8], 0.9, 0.99, method="real", sampler=None, steps=None),
        both([0.6], 0.45, 0.9, train=0),
        both([0.7], 0.45, 0.94, train=1),
    ]
    assert all_scores.write(table.results([make({F1: [0.5]})]), tmp_path) == []
    (path,) = all_scores.write(table.results(records), tmp_path)
    text = path.read_text()
    efficacy, fidelity, detection = text.split("###")[1:]
    half = stats.t.ppf(0.975, 1) * 0.05
    line = f"| tabddpm | ddim quad | 10 | 0.650 [{0.65 - half:.3f}, {0.65 + half:.3f}] | 81.2 | 0.450 |"
    assert f"{line} 50.0 |" in efficacy
    assert "| real |  |  | 0.800 | 100.0 | 0.900 | 100.0 |" in efficacy
    assert "0.920 [" in fidelity
    assert "| real |  |  | 0.600 [0.550, 0.650] |" in detection


@pytest.mark.parametrize(
    ("scores", "drawn", "says"),
    [
        ({}, {"share": 0.9, "expected": 0.0}, "copies: 90% of the rows are training rows, 0% would be usual"),
        ({"copies": [0.3], "copies_expected": [0.0]}, {}, "copies: 30%"),
        ({"copies": [0.3], "copies_expected": [0.29]}, {}, None),  # a table of few values
        ({"copies": [0.005], "copies_expected": [0.0]}, {}, None),
        ({"mia_tpr": [0.5], "mia_auc_low": [0.6]}, {}, "leaks: an attack finds 50%"),
        ({"mia_tpr": [0.06], "mia_auc_low": [0.49]}, {}, None),  # few rows and their luck
        ({}, {}, None),
    ],
)
def test_copies_are_marked(scores: dict[str, list[float]], drawn: dict[str, float], says: str | None) -> None:
    whole = make({F1: [0.9], **scores}, rows=500, settings={"drawn": {"copies": drawn} if drawn else {}})
    frame = table.results([whole])
    marks = set(frame["mark"].dropna())
    assert len(marks) == (says is not None)
    text = readable.markdown([whole], frame)
    if says is not None:
        assert marks.pop().startswith(says)
        assert says in text
    console = Console(width=200, record=True)
    readable.show(frame, console)
    assert ("training rows" in console.export_text()) == (says is not None)


def test_an_interval_that_leaves_training_out_is_marked() -> None:
    one = [make({F1: [0.5, 0.6]}, sample=i) for i in range(3)]
    several = [make({F1: [0.5, 0.6 + 0.1 * i]}, train=i) for i in range(3)]
    for records, marked in ((one, True), (several, False)):
        frame = table.results(records)
        line = next(
            part for part in readable.markdown(records, frame).splitlines() if part.startswith("| tabddpm")
        )
        assert (" * |" in line) == marked
