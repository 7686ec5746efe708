"""The study of starts and learned coefficients: its page from records with known numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from tabstep.records.store import Cell, Record
from tabstep.registry import SAMPLERS, STARTS, SWEEP, SWEPT
from tabstep.study import families
from tabstep.study.few_steps import losses
from tabstep.suites import SUITES


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


def cell(
    dataset: str,
    method: str,
    sampler: str | None,
    steps: int | None,
    c2st: float,
    f1: float = 0.8,
    share: float = 0.5,
) -> Record:
    """A cell with all scores of the vector: those that are not given are the same everywhere."""
    whole = record("ddim", 5, 0, f1, f1)
    grid = None if sampler is None else "trailing"
    scores = {
        **{
            "catboost_f1_macro": [f1],
            "c2st_xgboost": [c2st],
            "wasserstein": [0.01],
            "trend_corrected": [0.95],
        },
        **{"beta_recall": [0.9], "coverage": [0.9], "dcr_share": [share], "mia_max": [0.52]},
    }
    own = Cell("families", dataset, method, "default", sampler, grid, steps, 0, 0)
    return replace(whole, cell=own, scores=scores, prepare_s=7.0)


TABLES = ("abalone", "wilt")


def made() -> list[Record]:
    """On two tables: all steps .6; from smote .9 by itself, by the chosen T' .62 and .61 at 2 and 10, by the other rule
    .04 more, and swept with its least, .65 and .63, at .2 T; the other starts only by the chosen T', at .7."""
    found = []
    for off, dataset in zip((-0.01, 0.01), TABLES, strict=True):
        found += [
            cell(dataset, "tabstep", "ancestral", 1000, 0.6 + off),
            cell(dataset, "smote", None, None, 0.9 + off, share=0.9),
        ]
        found += [
            cell(dataset, name, None, None, 0.8 + off) for name in families.FLOORS.values() if name != "smote"
        ]
        for steps, least in ((2, 0.65), (10, 0.63)):
            own = f"es-{SWEPT}-smote"
            found += [
                cell(dataset, "tabstep", SWEPT, steps, 0.75 + off),
                cell(dataset, "tabstep", own, steps, least - 0.03 + (off if steps == 2 else -off), share=0.6),
                cell(dataset, "tabstep", f"{own}-mmd", steps, least + 0.01 + off),
                *(
                    cell(dataset, "tabstep", f"{own}-{100 * stop:.0f}", steps, least + abs(stop - 0.2) + off)
                    for stop in SWEEP
                ),
                *(
                    cell(dataset, "tabstep", f"es-{SWEPT}-{start}", steps, 0.7 + off)
                    for start in STARTS
                    if start != "smote"
                ),
                cell(dataset, "tabstep", "ddim", steps, 0.9 + off),
                cell(dataset, "tabstep", "ddss", steps, 0.8 + 2 * off, f1=0.79),
                cell(dataset, "tabstep", "ddss-critic", steps, 0.7 - off),
                cell(dataset, "tabstep", f"tied-{SWEPT}", steps, 0.74 + off),
            ]
    return found


def test_the_sweep_has_the_start_by_itself_and_both_rules() -> None:
    found = families.sweep(made())
    assert set(found["start"]) == {"smote"}, "others were not swept"
    two = found[found["steps"] == 2].set_index(["rule", found[found["steps"] == 2]["stop"].fillna(-1)])[
        "c2st"
    ]
    assert two["swept", 0.0] == pytest.approx(0.9)
    assert two["swept", 0.2] == pytest.approx(0.65)
    assert two["swept"].drop(0.0).idxmin() == 0.2
    assert two["chosen", -1] == pytest.approx(0.62)
    assert two["mmd", -1] == pytest.approx(0.66)
    assert (found["tables"] == 2).all()


def test_a_table_without_the_whole_sweep_is_in_no_mean() -> None:
    less = [r for r in made() if (r.cell.dataset, r.cell.sampler) != ("wilt", f"es-{SWEPT}-smote-40")]
    assert (families.sweep(less)["tables"] == 1).all()


def test_rules_are_held_against_the_chosen_begin() -> None:
    two, ten = families.rules(made())
    assert (two["start"], two["evaluations"], two["tables"]) == ("smote", "2", "2")
    assert two["mmd less chosen"] == "+0.040 (no scatter)"
    assert two["best fixed T'/T"] == "0.2"
    assert two["fixed less chosen"] == "+0.030 (no scatter)"
    assert ten["mmd less chosen"] == "+0.040 [-0.214, +0.294]"  # differences .02 and .06


def test_starts_stand_beside_noise_and_all_steps() -> None:
    lines = {line["start"]: line for line in families.starts(made())}
    assert lines["smote"] == {"start": "smote", "0": "0.900", "2": "0.620", "10": "0.600", "1000": ""}
    assert lines["moments"] == {"start": "moments", "0": "", "2": "0.700", "10": "0.700", "1000": ""}
    assert lines["noise"] == {"start": "noise", "0": "", "2": "0.750", "10": "0.750", "1000": "0.600"}


def test_what_starts_give_away_is_less_what_all_steps_do() -> None:
    lines = {line["start"]: line for line in families.privacy(made())}
    assert lines["smote"]["nearer to training rows, by itself"] == "+0.400 (no scatter)"
    assert lines["smote"]["nearer to training rows at 2"] == "+0.100 (no scatter)"
    assert lines["moments"]["nearer to training rows, by itself"] == ""


def test_learned_coefficients_are_held_against_their_begin() -> None:
    records = made()
    lines = families.learned(records, losses(records))
    (ddss,) = [line for line in lines if line["sampler"] == "`ddss`" and line["evaluations"] == "2"]
    assert ddss["C2ST (XGBoost) less ddim"] == "-0.100 [-0.227, +0.027]"  # -.11 and -.09
    assert ddss["efficacy (F1, R²) less ddim"] == "-0.010 (no scatter)"
    assert ddss["keep all scores"] == "0/2"
    assert ddss["largest loss"] == "6.7"  # (.8 - .6) / .03
    assert ddss["seconds to prepare"] == "7"
    assert [line["sampler"] for line in lines if line["evaluations"] == "10"] == [
        "`ddim`",
        f"`{SWEPT}`",
        "`ddss`",
        "`ddss-critic`",
    ]


def test_classes_drawn_together_are_held_against_those_drawn_one_by_one() -> None:
    two, ten = families.tied(made())
    assert two["sampler"] == ten["sampler"] == f"`tied-{SWEPT}`"
    assert (two["evaluations"], ten["evaluations"], two["tables"]) == ("2", "10", "2")
    assert two["C2ST (XGBoost)"] == "-0.010 (no scatter)"


def test_each_lever_is_a_line_with_a_column_a_budget() -> None:
    few = [
        r
        for r in made()
        if (r.cell.dataset, r.cell.sampler, r.cell.steps) != ("wilt", f"es-{SWEPT}-smote", 10)
    ]
    lines = {line["lever"]: line for line in families.claims(few, families.C2ST)}
    begun = lines["begin at rows of `smote`, not in noise"]
    assert (begun["tables"], begun["at 2"], begun["at 10"]) == (
        "1 to 2",
        "-0.130 (no scatter)",
        "-0.130 (one table)",
    )
    learned = lines["coefficients learned by a distance (`ddss`), not DDIM's"]
    assert (learned["tables"], learned["at 2"]) == ("2", "-0.100 [-0.227, +0.027]")
    assert not any("adasde" in lever for lever in lines), "it was not run"
    assert not any("MMD" in lever for lever in lines), "of most starts it was not run"
    (own,) = [line for line in families.claims(few, "efficacy") if line["lever"] == learned["lever"]]
    assert own["at 2"] == "-0.010 (no scatter)"


@pytest.mark.whole
def test_the_page_and_its_figure(tmp_path: Path) -> None:
    paths = families.write(made(), tmp_path)
    page = (tmp_path / "families.md").read_text()
    assert "Training seeds of each table: 1." in page
    assert "| smote | 0.900 | 0.620 | 0.600 |  |" in page
    assert "![C2ST against T' by start](sweep.png)" in page
    assert imread(tmp_path / "sweep.png").std() > 0.02, "an empty picture"
    assert all(path.exists() for path in paths)
    swept = pd.read_csv(tmp_path / "sweep.csv")
    assert swept.groupby("steps")["stop"].count().tolist() == [7, 7]


def test_without_a_sweep_there_is_no_figure(tmp_path: Path) -> None:
    few = [r for r in made() if not str(r.cell.sampler)[-1].isdigit()]
    paths = families.write(few, tmp_path)
    assert [path.name for path in paths] == ["families.md", "families.csv"]
    assert "sweep.png" not in (tmp_path / "families.md").read_text()


def test_what_it_shows_is_in_the_suite() -> None:
    suite = SUITES["families"]
    named = {sampler for sampler, _ in suite.samplers}
    assert named <= set(SAMPLERS)
    ties = {name for pair in families.TIES for name in pair}
    assert {*families.LEARNED, *families.BESIDE, *ties, *map(families.chosen, STARTS)} <= named
    assert {f"es-{SWEPT}-{s}-{100 * stop:.0f}" for s in STARTS for stop in SWEEP} <= named
    assert {f"es-{SWEPT}-{s}-mmd" for s in STARTS} <= named
    assert set(families.FLOORS.values()) <= {entry.method for entry in suite.entries}
    assert set(families.FLOORS) <= set(STARTS)
