"""A report of a model: rows that leak are called so, rows as real ones are called so, and the page stands alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep.api.compared import Parts, canonical, varying
from tabstep.api.judging import evidence, judge, known
from tabstep.api.report import Report
from tabstep.data.table import Schema
from tabstep.diffusion.tabstep import TabStep
from tabstep.report.numbers import leak
from tabstep.report.numbers.portrait import WATCHED, Level
from tests.test_constraints import shop

DRAW = {"sampler": "ddim", "grid": None, "steps": 2, "seed": 0}
ODD = "<b>net & \"gross\" | 'x'"


def table(n: int, seed: int) -> pd.DataFrame:
    frame = shop(n, seed).rename(columns={"noise": ODD})
    frame["big"] = np.where(frame["gross"] > 60, "yes", "no")
    frame["land"] = "here"
    frame["order"] = [f"O-{seed}{i:04}" for i in range(n)]
    return frame


@dataclass
class Told:
    """A model whose rows are given."""

    fitted: tabstep.Synthesizer
    rows: pd.DataFrame

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fitted, name)

    def sample(self, n: int, **_: Any) -> pd.DataFrame:
        return self.rows.iloc[:n].reset_index(drop=True)


@pytest.fixture(scope="module")
def fitted() -> tabstep.Synthesizer:
    method = tabstep.TabDDPM(T=10, steps=3, layers=(8,), batch_size=64)
    options = {"drop": "net_again", "id": "order"}
    return tabstep.fit(table(600, 0), "big", method=method, progress="none", **options)


@pytest.fixture(scope="module")
def fresh(fitted: tabstep.Synthesizer) -> Report:
    return told(fitted, table(600, 5), table(300, 9))


def told(fitted: tabstep.Synthesizer, rows: pd.DataFrame, holdout: pd.DataFrame | None) -> Report:
    return Report(judge(Told(fitted, rows), table(600, 0), holdout, DRAW, "a <shop>"))


def test_fresh_real_rows_leak_nothing_and_are_like_real_rows(fresh: Report) -> None:
    assert fresh.privacy.finding == "none"
    assert [e.finding for e in fresh.privacy.evidence] == ["none"] * 3
    assert {"catboost_f1_macro", "trend_corrected", "shape", "c2st_xgboost"} <= set(fresh.scores)
    good = [level.grade for level in fresh.scores.values()]
    assert good.count("as real") + good.count("near") >= len(good) - 2
    exact = [
        rule
        for rule in fresh.portrait.rules
        if " at least " not in rule.title and " at most " not in rule.title
    ]
    assert all(rule.drawn == rule.real == 1 for rule in exact)
    assert len(exact) >= 4
    ends = [rule for rule in fresh.portrait.rules if rule not in exact]  # where these are, rows tell nearly
    assert all(min(rule.drawn, rule.real) > 0.98 for rule in ends)


def parts(fitted: tabstep.Synthesizer, holdout: pd.DataFrame | None) -> Parts:
    read = [
        None if f is None else canonical(fitted.columns, fitted.compounds, f, "rows")
        for f in (table(600, 0), holdout)
    ]
    assert read[0] is not None
    return Parts.of(varying(fitted.completion, fitted.columns), read[0], read[1], seed=0)


def test_copies_of_training_rows_are_a_leak_with_and_without_held_out_rows(
    fitted: tabstep.Synthesizer,
) -> None:
    copies = canonical(
        fitted.columns, fitted.compounds, table(600, 0).sample(600, replace=True, random_state=1), "rows"
    )
    found = evidence(parts(fitted, table(300, 9)), copies)
    assert [e.finding for e in found] == ["leak"] * 3
    assert leak.verdict(found).finding == "leak"
    found = evidence(parts(fitted, None), copies)
    assert [e.finding for e in found] == ["leak", "unknown", "unknown"]
    assert leak.verdict(found).finding == "leak"


@pytest.mark.whole
@pytest.mark.parametrize("shared", [300, 100, 30], ids=str)
def test_held_out_rows_that_are_training_rows_excuse_no_copies(
    fitted: tabstep.Synthesizer, shared: int
) -> None:
    mixed = pd.concat([table(600, 0).head(shared), table(300 - shared, 9)], ignore_index=True)
    said = f"{shared / 3:.1f}% of the held-out rows are training rows"
    with pytest.warns(UserWarning, match=said):
        leaky = told(fitted, table(600, 0).sample(frac=1, random_state=1), mixed)
    assert [e.finding for e in leaky.privacy.evidence] == ["leak", "unknown", "unknown"]
    assert said in leaky.privacy.evidence[1].note
    assert said in leaky.portrait.measured
    with pytest.warns(UserWarning, match=said):
        assert told(fitted, table(600, 5), mixed).privacy.finding == "unknown"


def test_held_out_rows_may_equal_training_rows_as_often_as_chance_has_it() -> None:
    """Labels alone, of which training rows may come once each: then held-out ones come several times."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({c: rng.choice(list("pq"), 2400) for c in "abcdef"})
    schema = Schema("binclass", "a", (), tuple("bcdef"))
    for train in (rows.head(1200), rows.head(1200).drop_duplicates()):
        assert known(Parts(schema, train, rows.tail(1200), train, train, train)) is None
        assert known(Parts(schema, train, None, train, train, train)) is None


def test_without_held_out_rows_privacy_cannot_be_told(fitted: tabstep.Synthesizer) -> None:
    of = parts(fitted, None)
    found = leak.verdict(evidence(of, canonical(fitted.columns, fitted.compounds, table(600, 5), "rows")))
    assert found.finding == "unknown"
    assert "Hold some out" in found.sentence
    assert "training rows, since there are no held-out ones" in of.measured
    assert not set(map(tuple, of.like.to_numpy())) & set(map(tuple, of.against.to_numpy()))


@pytest.mark.slow
def test_columns_drawn_apart_are_called_far_and_break_the_rules(fitted: tabstep.Synthesizer) -> None:
    rows = table(600, 5)
    apart = pd.DataFrame(
        {c: rows[c].sample(600, random_state=i).to_numpy() for i, c in enumerate(rows.columns)}
    )
    report = told(fitted, apart, table(300, 9))
    assert report.scores["shape"].grade == "as real"
    for name in ("trend_corrected", "c2st_xgboost", "catboost_f1_macro"):
        assert report.scores[name].grade in ("between", "below the floor")
    assert all(rule.drawn < 0.9 for rule in report.portrait.rules)


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]


def test_the_page_stands_alone_and_takes_no_name_for_markup(fresh: Report, tmp_path: Path) -> None:
    text = fresh.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(text)
    assert seen.links == []
    assert not seen.tags & {"script", "link", "img", "iframe"}
    assert "url(" not in text
    assert ODD not in text
    assert text.count("<figure>") == len(fresh.portrait.columns) == 11
    assert "land is &#x27;here&#x27; in all training rows" in text
    assert "Dropped, because the user said so: net_again" in text
    assert "a new one, none of the old: order (from O-00600)" in text
    assert "<iframe" in fresh._repr_html_()
    assert "<script" not in fresh._repr_html_()


def test_json_has_every_score_beside_its_floors_and_a_grade(fresh: Report, tmp_path: Path) -> None:
    found = json.loads(fresh.to_json(tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {level["name"] for level in found["scores"]} == set(fresh.scores)
    for level in found["scores"]:
        assert {"value", "real", "floor", "margin", "better", "grade"} <= set(level)
    assert found["privacy"]["finding"] == "none"
    assert found["fit"]["seed"] == 0
    assert found["environment"]["fitted with"]["libraries"]["torch"]


def test_the_card_says_what_the_page_says(fresh: Report, tmp_path: Path) -> None:
    text = fresh.to_card(tmp_path / "card.md").read_text(encoding="utf-8")
    assert fresh.privacy.word in text
    for level in fresh.scores.values():
        assert f"{level.value:.3f}" in text
    assert "<shop>" not in text.replace("\\<shop\\>", "")
    assert re.search(r"Training|training rows", text)


def test_rows_that_only_said_when_to_stop_are_told_beside_the_verdict(fresh: Report, tmp_path: Path) -> None:
    assert "by itself" not in fresh.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    method = tabstep.TabStep(T=10, steps=3, layers=(8,), batch_size=64)
    watching = tabstep.fit(table(600, 0), method=method, drop=["net_again", "order"], progress="none")
    assert watching.origin.watched == 60
    of = replace(fresh.portrait, rows={**fresh.portrait.rows, WATCHED: watching.origin.watched})
    for write in (Report(of).to_html, Report(of).to_card):
        text = " ".join(write(tmp_path / "text").read_text(encoding="utf-8").split())
        assert "Of the 600 rows that it was given the fit held out 60 by itself" in text


def test_rows_of_another_table_are_refused(fitted: tabstep.Synthesizer) -> None:
    with pytest.raises(ValueError, match="real: the rows lack the column 'city'"):
        fitted.report(table(600, 0).drop(columns="city"))
    with pytest.raises(ValueError, match="holdout: too few rows"):
        fitted.report(table(600, 0), table(20, 1), steps=2)


LEVEL = Level("g", "trend_corrected", "Trend", value=0.9, real=0.95, floor=0.75)


@pytest.mark.parametrize(
    ("level", "grade"),
    [
        (replace(LEVEL, value=0.946), "as real"),  # within .005
        (replace(LEVEL, value=0.99), "as real"),
        (LEVEL, "near"),  # .05 of .20
        (replace(LEVEL, value=0.85), "between"),
        (replace(LEVEL, value=0.7), "below the floor"),
        (replace(LEVEL, value=0.944, floor=0.948), "off"),
        (replace(LEVEL, floor=0.948), "below the floor"),
        (
            Level("g", "c2st_xgboost_score", "C2ST", value=0.96, real=1.0, floor=0.2),
            "as real",
        ),  # an area of .52
        (replace(LEVEL, value=None), None),
        (Level("g", "wasserstein", "W", value=0.02, real=0.005, floor=0.1), "near"),
        (Level("g", "c2st_xgboost", "C2ST", value=0.52, real=0.44, floor=0.9), "as real"),  # chance is chance
        (Level("g", "c2st_xgboost", "C2ST", value=0.54, real=0.44, floor=0.9), "near"),
    ],
)
def test_grades_are_by_the_margin_and_the_floor(level: Level, grade: str | None) -> None:
    assert level.grade == grade


def test_rows_that_coincide_by_themselves_are_no_leak() -> None:
    often, never = leak.Chance(0.40, 300), leak.Chance(0.0, 300)
    assert leak.copies(0.42, 1000, often).finding == "none"
    assert leak.copies(0.60, 1000, often).finding == "sign"
    assert leak.copies(0.002, 1000, never).finding == "none"  # two of a thousand may be chance
    assert (
        leak.copies(0.01, 1000, never).finding == "none"
    )  # so may ten, if none of 300 is all that one knows
    assert leak.copies(0.01, 1000, never, leak.Chance(0.0, 2000)).finding == "leak"
    assert leak.copies(0.005, 1000, never, leak.Chance(0.0, 2000)).finding == "sign"
    # Where equal rows were taken out of the training rows, held-out ones still say what chance does.
    assert leak.copies(0.03, 5000, leak.Chance(0.03, 1000), leak.Chance(0.0, 2000)).finding == "none"
    assert leak.copies(0.30, 5000, leak.Chance(0.03, 1000), leak.Chance(0.0, 2000)).finding == "leak"


@pytest.mark.whole
@pytest.mark.parametrize("equal", [0.0005, 0.003, 0.01, 0.04])
@pytest.mark.parametrize(("held", "drawn"), [(100, 1000), (100, 5000), (1000, 5000)])
def test_fresh_rows_leak_as_seldom_as_chance_allows(equal: float, held: int, drawn: int) -> None:
    """Whatever the share of rows that coincide is, known from few held-out rows and from pairs of training rows."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        rows = 4000
        twins = 2 * rng.poisson(equal * rows / 2)
        real = (
            leak.Chance(rng.binomial(held, equal) / held, held),
            leak.Chance.of_training(twins / rows, rows),
        )
        found.append(leak.copies(rng.binomial(drawn, equal) / drawn, drawn, *real).finding)
    assert found.count("leak") == 0
    assert found.count("sign") <= 14  # two tests of one in a hundred: 8 are expected at most


def test_the_worst_finding_is_the_verdict_and_what_is_unknown_is_said() -> None:
    none, sign = leak.attacks(0.51, 0.49, 0.52), leak.attacks(0.54, 0.50, 0.52)
    gone = leak.unmeasured("dcr_share", "nearness", "no held-out rows")
    worst = leak.attacks(0.7, 0.66, 0.68)
    assert leak.attacks(0.582, 0.545, 0.62).finding == "sign"  # chance reaches .575
    assert leak.nearest(0.56, 200, 800, 800).finding == "none"
    assert leak.nearest(0.6, 5000, 8000, 2000).finding == "leak"
    assert leak.nearest(0.58, 500, 8000, 8000).finding == "sign"
    assert leak.verdict((none, none)).finding == "none"
    assert leak.verdict((none, gone)).finding == "unknown"
    assert leak.verdict((sign, gone)).finding == "sign"
    assert leak.verdict((sign, worst, gone)).finding == "leak"


@pytest.mark.whole
def test_a_report_knows_what_the_fit_was_told_of_gaps_and_how_long_it_trained(tmp_path: Path) -> None:
    """Marks are gaps in the column that they were named for, in files and frames, and after a save."""
    frame = shop(200, 5)[["net", "code"]].assign(net=lambda f: f["net"].map("{:.2f}".format))
    frame.loc[frame.index[::7], "net"] = "?"
    frame.loc[frame.index[::5], "code"] = "?"
    path = tmp_path / "shop.csv"
    frame.to_csv(path, index=False)
    method = TabStep(T=10, layers=(8,), batch_size=64)
    options: dict[str, Any] = {"method": method, "seconds": 0.05, "progress": "none"}
    model = tabstep.fit(path, missing="net=?", **options)
    assert set(model.sample(200, steps=2)["code"]) >= {"?"}
    model.save(tmp_path / "model")
    loaded = tabstep.load(tmp_path / "model")
    assert loaded.origin.missing == ("net=?",)
    for real in (path, frame):
        report = loaded.report(real, steps=2)
        assert any("net=?" in text for text in report.portrait.changed)
    fit = report.portrait.fit
    assert "steps" not in fit
    assert 0 < fit["trained steps"] < 4000
    assert fit["time limit"] == 0.05
    assert fit["seconds"] != 0.05
    assert loaded.impute(frame.head(8), steps=2)["net"].notna().all()
    with pytest.raises(ValueError, match="no column 'cod': did you mean 'code'"):
        tabstep.fit(path, missing="cod=?", **options)
    named = tabstep.fit(frame, missing={"net": ["?"]}, **options)
    assert named.origin.missing == ("net=?",)
