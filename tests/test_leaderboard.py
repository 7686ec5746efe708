"""The leaderboard in a real browser: it sorts, filters, plots, compares as Python does, and works by hand and key."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.records.store import Cell, Record
from tabstep.report.numbers.budget import steps_to_equal_quality
from tabstep.report.numbers.compare import name_of, rank, units, versus
from tabstep.report.numbers.table import results
from tabstep.report.pages import leaderboard
from tabstep.report.pages.leaderboard import Part
from tests.test_report import make

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
no_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install Debian's package chromium")


def browser_only(test: Any) -> Any:
    """A browser is a whole program, or is not there."""
    return pytest.mark.whole(no_browser(test))


DATASETS = ("alpha", "beta", "gamma", "delta", "epsilon")
SAMPLERS = ("ancestral", "ddim", "dpmpp-2m", "unipc-2")
STEPS = (2, 5, 10, 20, 50)
EVIL = "</script><script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"


def cell_of(dataset: str, sampler: str | None, steps: int | None, seed: int, params: str = "default") -> Cell:
    method = "real" if params == "real" else "tabddpm" if sampler else "smote"
    label = "default" if params == "real" else params
    grid = "trailing" if sampler else None
    return Cell("samplers", dataset, method, label, sampler, grid, steps, 0, seed)


def record_of(cell: Cell, score: float, seconds: float) -> Record:
    whole = make({"catboost_f1_macro": [score, score + 0.01], "shape": [score / 2]}, cell=cell)
    return replace(
        whole, sample_s=seconds, prepare_s=0.0, nfe=None if cell.steps is None else float(cell.steps)
    )


def made(seeds: int = 4, params: int = 1) -> list[Record]:
    """Scores rise with steps, scatter a little, and differ by dataset and sampler."""
    rng = np.random.default_rng(0)
    records = []
    for d, dataset in enumerate(DATASETS):
        level = 0.5 + 0.05 * d
        records.append(record_of(cell_of(dataset, None, None, 0, "real"), level + 0.3, 0.001))
        for seed in range(seeds):
            records.append(
                record_of(cell_of(dataset, None, None, seed), level + 0.1 + 0.002 * rng.normal(), 0.02)
            )
            for p in range(params):
                for s, sampler in enumerate(SAMPLERS):
                    for steps in STEPS:
                        score = level + 0.2 * (1 - 1 / steps) + 0.01 * s + 0.004 * rng.normal() + 0.001 * p
                        name = "default" if p == 0 else f"p{p}"
                        cell = cell_of(dataset, sampler, steps, seed, name)
                        records.append(record_of(cell, score, 0.01 * steps))
    return records


@pytest.fixture(scope="module")
def records() -> list[Record]:
    found = made()
    failed = make({}, cell=cell_of("alpha", "ddim", 100, 0), status="failed", reason=f"ValueError: {EVIL}")
    return [*found, failed]


@pytest.fixture(scope="module")
def place(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    theirs = replace(records[3], cell=replace(records[3].cell, method="theirs"))
    checked = {str(records[3].cell.path): "bitwise"}
    parts = [Part(records, verified=checked), Part([theirs], origin="some-one")]
    return leaderboard.write(parts, tmp_path_factory.mktemp("page") / "leaderboard.html")


# Without a browser


def test_the_page_is_one_file_that_loads_nothing(place: Path) -> None:
    text = place.read_text(encoding="utf-8")
    assert re.findall(r"src=\"", text) == []
    links = re.findall(r"href=\"([^#\"][^\"]*)\"", text)
    assert {link.partition("#")[0] for link in links} == {
        "README.md",
        "../README.md",
        "../docs/adding-a-method.md",
    }
    assert all((leaderboard.PAGE.parents[3] / "results" / link.partition("#")[0]).is_file() for link in links)
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert text.count("<script") == 2, "what a reason says does not end the data"
    assert "default-src 'none'" in text


def test_entries_hold_what_the_records_do(records: list[Record]) -> None:
    found = leaderboard.data([Part(records)])
    entries = {e["id"]: e for e in found["entries"]}
    assert len(entries) == len(found["entries"]) == len(DATASETS) * (2 + len(SAMPLERS) * len(STEPS)) + 1
    e = entries["samplers/alpha/tabddpm/default/ddim/trailing/5"]
    mine = [r for r in records if (r.cell.dataset, r.cell.sampler, r.cell.steps) == ("alpha", "ddim", 5)]
    scores = [float(np.mean(r.scores["catboost_f1_macro"])) for r in mine]
    assert e["scores"]["catboost_f1_macro"][0] == pytest.approx(np.mean(scores), abs=1e-5)
    assert [u[2] for u in e["units"]] == scores
    assert e["seeds"] == [[0], [0, 1, 2, 3], [0, 1]]
    assert found["settings"][e["settings"]] == mine[0].settings
    failed = entries["samplers/alpha/tabddpm/default/ddim/trailing/100"]
    assert failed["status"] == "failed"
    assert EVIL in failed["failures"][0]
    assert json.loads(json.dumps(found)), "plain values"


@pytest.mark.whole
def test_an_entry_names_the_card_that_its_seconds_are_of() -> None:
    cell = cell_of("adult", "ddim", 5, 0)
    here = replace(record_of(cell, 0.5, 1.0), env={"device": "cpu", "cpu": "Made-up 9000"})
    card = {"fitted": {"on": "A 100"}, "drawn": {"env": {"device": "cuda", "gpu": "A 100"}}}
    (plain,) = leaderboard.data([Part([here])])["environments"]
    (told,) = leaderboard.data([Part([replace(here, settings=here.settings | card)])])["environments"]
    assert told == plain | {"trained_on": "A 100", "drawn_on": "A 100"}


def test_what_was_handed_in_and_is_here_too_is_ranked_once(records: list[Record]) -> None:
    mine = [r for r in records if (r.cell.dataset, r.cell.sampler, r.cell.steps) == ("alpha", "ddim", 5)]
    other = [replace(r, cell=replace(r.cell, method="theirs")) for r in mine]
    once = leaderboard.data(
        [Part([*mine, *other], origin="some-one"), Part(mine), Part(other, origin="third")]
    )
    name = "samplers/alpha/{}/default/ddim/trailing/5"
    assert {e["id"]: e["again"] for e in once["entries"]} == {
        name.format("tabddpm"): ["also handed in by some-one, with the same score"],
        name.format("theirs") + "@some-one": ["also handed in by third, with the same score"],
    }
    assert {(e["method"], e["from"]) for e in once["enough"]} <= {("tabddpm", "here"), ("theirs", "some-one")}


def test_a_copy_of_another_score_says_so_and_another_key_is_no_copy(records: list[Record]) -> None:
    (mine,) = [r for r in records if r.cell == cell_of("alpha", "ddim", 5, 0)]
    far = replace(
        mine,
        scores={**mine.scores, "catboost_f1_macro": [s + 0.25 for s in mine.scores["catboost_f1_macro"]]},
    )
    (entry,) = leaderboard.data([Part([mine]), Part([far], origin="far")])["entries"]
    assert entry["again"] == ["also handed in by far, with a score that is up to 0.25 away"]
    changed, more = replace(mine, key="other code"), replace(mine, cell=cell_of("alpha", "ddim", 5, 9))
    for theirs in ([changed], [mine, more]):
        found = leaderboard.data([Part([mine]), Part(theirs, origin="far")])["entries"]
        assert [(e["from"], e["again"]) for e in found] == [("here", []), ("far", [])]


def test_nothing_to_show_is_said() -> None:
    with pytest.raises(ValueError, match="tabstep run quick"):
        leaderboard.page([Part([])])


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.getuid() == 0 else []
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any, place: Path) -> Iterator[Any]:
    """A page; whatever the console says fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(place.as_uri())
    yield page
    assert page.evaluate("window.evil") is None
    context.close()
    assert said == []


def column(page: Any, number: int) -> list[str]:
    return [text.strip() for text in page.locator(f"#table tbody td:nth-child({number})").all_text_contents()]


def entrant(dataset_records: list[Record], name: str) -> dict[Any, float]:
    return units(dataset_records)[name]


@browser_only
def test_it_sorts_by_click_and_by_key(opened: Any) -> None:
    opened.get_by_role("button", name="steps", exact=True).click()
    steps = [int(text) for text in column(opened, 4) if text]
    assert steps == sorted(steps, reverse=True)
    assert opened.locator("th[aria-sort=descending]").text_content() == "steps"
    opened.keyboard.press("Enter")  # the heading kept the focus
    steps = [int(text) for text in column(opened, 4) if text]
    assert steps == sorted(steps)
    texts = column(opened, 4)
    assert texts[-1] == "", "without a value comes last either way"


@browser_only
def test_it_filters_and_the_address_holds_it(opened: Any) -> None:
    opened.locator("select[name=dataset]").select_option("beta")
    opened.locator("select[name=sampler]").select_option("ddim trailing")
    assert set(column(opened, 1)) == {"beta"}
    assert len(column(opened, 1)) == len(STEPS)
    assert "5 of 112 entries" in opened.locator("#count").text_content()
    opened.locator("select[name=metric]").select_option("shape")
    before = column(opened, 5)
    opened.reload()
    assert column(opened, 5) == before
    assert opened.locator("select[name=metric]").input_value() == "shape"
    opened.get_by_role("button", name="Reset").click()
    assert len(column(opened, 1)) == 112
    opened.locator("input[name=search]").fill("unipc-2 trailing 50")
    assert len(column(opened, 1)) == len(DATASETS)


@browser_only
def test_the_verdict_is_that_of_the_command_line(opened: Any, records: list[Record]) -> None:
    found = units(records)
    pairs = [
        ("tabddpm unipc-2 trailing 50", "tabddpm ancestral trailing 2"),
        ("tabddpm ddim trailing 20", "tabddpm ddim trailing 50"),
        ("smote", "tabddpm dpmpp-2m trailing 5"),
    ]
    for first, second in pairs:
        for dataset in ("", "gamma"):
            opened.locator("select[name=dataset]").select_option(dataset)
            opened.locator("select[name=a]").select_option(first)
            opened.locator("select[name=b]").select_option(second)
            shown = opened.locator("#verdict")
            a, b = ({u: v for u, v in found[n].items() if dataset in ("", u[0])} for n in (first, second))
            wanted = versus(a, b)
            assert shown.get_attribute("data-says") == wanted.says
            for name, value in (
                ("difference", wanted.difference),
                ("different", wanted.p_different),
                ("equal", wanted.p_equal),
                ("low", wanted.low),
                ("high", wanted.high),
            ):
                assert float(shown.get_attribute(f"data-{name}")) == pytest.approx(value, rel=1e-6, abs=1e-12)
    rows = opened.locator("#beside tbody tr").count()
    assert rows == 2 + 3, "scores and costs of the one dataset that is left"


@browser_only
def test_ranks_are_those_of_the_command_line(opened: Any, records: list[Record]) -> None:
    opened.locator("select[name=from]").select_option("here")
    found = opened.evaluate("tabstep.ranks().lines")
    wanted = rank([r for r in records if r.status == "ok"]).mean_rank
    assert {line["name"]: line["rank"] for line in found} == pytest.approx(dict(wanted))
    shown = opened.locator("#ranks tbody td:first-child").all_text_contents()
    assert shown[0] == wanted.index[0]


@browser_only
def test_no_score_ranks_alone_and_budgets_are_those_of_the_tables(browser: Any, tmp_path: Path) -> None:
    found = []
    for r in made():
        efficacy = float(np.mean(r.scores["catboost_f1_macro"]))
        other = {"wasserstein": [round(0.02 + 0.3 * abs(efficacy - 0.7), 4)]}
        found.append(replace(r, scores=r.scores | other))
    path = leaderboard.write([Part(found)], tmp_path / "page.html")
    page = browser.new_page()
    page.goto(path.as_uri())
    ranked = rank(found)
    assert list(ranked.by_score) == ["efficacy", "wasserstein"]
    lines = page.evaluate("tabstep.ranks().lines")
    assert {line["name"]: line["rank"] for line in lines} == pytest.approx(dict(ranked.mean_rank))
    wanted = steps_to_equal_quality(results(found))
    shown = page.locator("#enough tbody td:nth-child(4)").all_text_contents()
    text = [
        f"{'-' if pd.isna(k) else k} of {T}"
        for k, T in zip(wanted["enough"], wanted["full_steps"], strict=True)
    ]
    assert shown == text != []
    assert "Nothing is claimed of c2st_xgboost, trend_corrected" in str(
        page.locator("#enough-note").text_content()
    )
    page.close()


@browser_only
def test_what_should_be_as_of_fresh_rows_is_ranked_by_its_distance(browser: Any, tmp_path: Path) -> None:
    shares = {"leaks": 0.9, "fresh": 0.51, "noise": 0.1}
    found = []
    for i, (label, share) in enumerate(shares.items()):
        cell = Cell("samplers", "alpha", "smote", label, None, None, None, 0, 0)
        scores = {"dcr_share": [share], "nndr": [share], "nndr_expected": [0.55], "catboost_f1_macro": [0.5]}
        found.append(replace(make(scores, cell=cell), sample_s=1.0 + i, prepare_s=0.0))
    path = leaderboard.write([Part(found)], tmp_path / "page.html")
    page = browser.new_page()
    for metric in ("dcr_share", "nndr"):
        page.goto("about:blank")
        page.goto(f"{path.as_uri()}#metric={metric}")
        lines = page.evaluate("tabstep.ranks().lines")
        assert [line["name"].split()[-1] for line in lines] == ["fresh", "leaks", "noise"], metric
        assert page.locator("#plot circle.on-front").count() == 2, (
            "the first, and the one that is as of fresh rows"
        )
    page.close()


@browser_only
def test_one_network_is_said_to_be_one(opened: Any) -> None:
    opened.locator("select[name=dataset]").select_option("gamma")
    opened.locator("select[name=a]").select_option("smote")
    opened.locator("select[name=b]").select_option("tabddpm ddim trailing 5")
    shown = opened.locator("#verdict")
    assert shown.get_attribute("data-over") == "sampling seeds"
    assert "of these two networks only" in shown.text_content()
    assert " *" in column(opened, 5)[0]


@browser_only
def test_an_entry_has_its_page_and_its_address(opened: Any, browser: Any, place: Path) -> None:
    opened.locator("select[name=dataset]").select_option("alpha")
    opened.locator("tr[data-id='samplers/alpha/tabddpm/default/ddim/trailing/100'] a").click()
    body = opened.locator("#entry")
    assert "tabddpm ddim trailing 100 on alpha" in body.text_content()
    assert "failed: ValueError" in body.text_content()
    assert "<img" in body.text_content(), "text from outside is text"
    address = opened.locator("#permalink").get_attribute("href")
    other = browser.new_page()
    other.goto(place.as_uri() + address)
    assert "tabddpm ddim trailing 100 on alpha" in other.locator("#entry").text_content()
    assert other.evaluate("document.activeElement.id") == "entry"
    other.close()
    opened.go_back()
    assert not opened.locator("#entry").is_visible()


@browser_only
def test_verified_and_self_reported_entries_are_marked(opened: Any, records: list[Record]) -> None:
    assert name_of(records[3]).startswith("tabddpm")
    verified = opened.locator("#table tbody tr", has_text="verified")
    assert verified.count() == 1
    opened.locator("select[name=from]").select_option("some-one")
    assert column(opened, 2) == ["theirs"]
    assert "self-reported" in column(opened, 11)[0]


@browser_only
def test_the_plot_marks_the_front(opened: Any) -> None:
    opened.locator("select[name=plotted]").select_option("delta")
    opened.locator("select[name=x]").select_option("evaluations")
    points = opened.locator("#plot circle")
    assert points.count() == len(SAMPLERS) * len(STEPS)
    front = opened.locator("#plot circle.on-front")
    ids = [front.nth(i).get_attribute("data-id") for i in range(front.count())]
    assert [i.split("/")[-1] for i in ids] == sorted((i.split("/")[-1] for i in ids), key=int)
    assert any(i.endswith("unipc-2/trailing/2") for i in ids), "nothing is better and as cheap"
    front.last.focus()
    assert "evaluations" in opened.locator("#tip").text_content()
    opened.keyboard.press("Enter")
    assert opened.locator("#entry").is_visible()


@browser_only
def test_phone_dark_and_print(browser: Any, place: Path) -> None:
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    phone.goto(place.as_uri())
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390, "the page does not scroll sideways"
    heads = [text.strip() for text in phone.locator("#table thead th").all_text_contents()]
    assert heads[:2] == ["score", "dataset"]
    box = phone.locator("#table tbody td").first.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] < 390
    phone.locator("#entries summary").click()
    assert set(phone.locator("#columns dt").all_text_contents()) == set(heads)
    assert "half of the 95 % interval" in phone.locator("#reading").text_content()
    light = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    phone.emulate_media(color_scheme="dark")
    assert phone.evaluate("getComputedStyle(document.body).backgroundColor") != light
    phone.emulate_media(media="print")
    assert not phone.locator("#filters").is_visible()
    assert phone.locator("#table").is_visible()
    phone.close()


@browser_only
def test_five_thousand_cells_are_interactive_in_time(browser: Any, tmp_path: Path) -> None:
    many = made(seeds=10, params=5)
    assert len(many) > 5000
    path = leaderboard.write([Part(many)], tmp_path / "large.html")
    page = browser.new_page()
    times = []
    for _ in range(3):
        page.goto(path.as_uri())
        times.append(page.evaluate("tabstep.ready"))
    assert min(times) < 1500, f"milliseconds until it answers: {times}"
    page.close()
