"""Rules of a table in which some values are missing: found all the same, and kept, with gaps where rows have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.data import naming
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Codes, Gaps, broken, share_kept
from tabstep.data.determined import LEAST, determined
from tabstep.data.extreme import Extreme
from tabstep.data.foremost import Foremost
from tabstep.data.together import ENOUGH, together
from tests import (
    test_arithmetic,
    test_chosen,
    test_compared,
    test_derived,
    test_extreme,
    test_foremost,
    test_instalment,
    test_mean,
    test_naming,
    test_offset,
    test_powers,
    test_priced,
    test_surplus,
    test_tariff,
    test_weighted,
)
from tests.test_constraints import common, shop, through_json
from tests.test_keeping import kept_when_torn, torn

EVERY = 23  # rows of which one has a gap

PLANTED: list[tuple[Callable[[], pd.DataFrame], str, str]] = [
    (test_arithmetic.office, "price", "Product"),
    (test_arithmetic.office, "at", "Scaled"),
    (test_arithmetic.invoices, "country", "Rated"),
    (test_arithmetic.prices, "cost", "Product"),
    (test_chosen.games, "winner", "Chosen"),
    (test_chosen.games, "price", "Chosen"),
    (test_compared.season, "result", "Compared"),
    (test_derived.ward, "group", "Bands"),
    (test_derived.ward, "weekday", "Calendar"),
    (test_extreme.tries, "run2", "Extreme"),
    (test_foremost.votes, "green", "Foremost"),
    (test_foremost.votes, "winner", "Foremost"),
    (test_instalment.loans, "term", "Instalment"),
    (test_mean.marks, "exam", "Mean"),
    (test_offset.orders, "prio", "Offset"),
    (test_powers.sold, "width", "Powers"),
    (test_priced.wages, "overtime", "Priced"),
    (test_surplus.surplus, "limit", "Surplus"),
    (test_surplus.surplus, "told", "Surplus"),
    (test_tariff.tariff, "zone", "Tariff"),
    (test_weighted.sums, "fat", "Weighted"),
    (shop, "city", "Codes"),
    (shop, "country", "Codes"),
]


def with_gaps(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """A frame in common units without some values of some columns, each in other rows."""
    missing = {name: np.arange(len(frame)) % EVERY == 2 * k + 1 for k, name in enumerate(names)}
    return frame.assign(
        **{n: frame[n].where(~at, None if frame[n].dtype == object else np.nan) for n, at in missing.items()}
    )


@pytest.mark.whole
@pytest.mark.parametrize(("made", "name", "kind"), PLANTED)
def test_what_others_say_is_told_where_they_are_there(
    made: Callable[[], pd.DataFrame], name: str, kind: str
) -> None:
    """Every rule of one kind that the column is in, in the rows that have it; and rows torn apart keep all rules."""
    whole = common(made())
    before = {frozenset(r.columns) for r in find(whole) if type(r).__name__ == kind and name in r.columns}
    frame = with_gaps(whole, name)
    rules = find(frame)
    assert before
    assert before <= {frozenset(r.columns) for r in rules if type(r).__name__ == kind}
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]
    # Where a label says that something is missing it is so before rules are kept.
    after = kept_when_torn(frame, [rule for rule in rules if not isinstance(rule, Gaps)], 1, "")
    assert abs(after[name].isna().mean() - 1 / EVERY) < 0.02


def codes(frame: pd.DataFrame) -> dict[tuple[str, str], Codes]:
    return {(r.on, r.of): r for r in find(frame) if isinstance(r, Codes)}


def test_a_gap_that_says_nothing_breaks_no_code() -> None:
    frame = with_gaps(common(shop()), "city", "country")
    rule = codes(frame)["city", "country"]
    assert str(rule) == "city determines country, where both are there"
    assert dict(rule.pairs) == {"Rome": "IT", "Oslo": "NO", "Lima": "PE", "Bern": "IT"}
    off = frame.assign(city="Rome", country="NO").iloc[:4]
    off.loc[1, "country"] = off.loc[2, "city"] = None
    assert broken(rule, off).tolist() == [True, False, False, True]


def test_a_gap_that_is_a_value_stays_one() -> None:
    """A state of the towns of one country, and none of the others': no town of these gets one."""
    frame = common(shop())
    state = frame["city"].map({"Rome": "RM", "Lima": "LI"})
    frame = frame.assign(state=state.astype(object).where(state.notna(), None))
    rule = codes(frame)["city", "state"]
    assert not rule.gaps
    assert dict(rule.pairs)["Oslo"] is None
    rule = codes(with_gaps(frame, "state"))["city", "state"]
    assert rule.gaps
    assert dict(rule.pairs) == {"Rome": "RM", "Lima": "LI", "Oslo": None, "Bern": None}
    assert broken(rule, frame.assign(city="Oslo", state="RM")).all()
    assert not broken(rule, frame.assign(city="Rome", state=None)).any()


@pytest.mark.parametrize("seed", range(20))
def test_what_says_nothing_is_not_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    on, of = rng.integers(0, 6, 400), rng.integers(0, 3, 400)
    gaps = rng.random(400) < 0.2
    assert determined(on, np.where(gaps, -1, of)) is None
    # Each row has its own: nothing is said twice.
    assert determined(np.where(gaps, -1, np.arange(400)), of) is None


def test_a_label_says_that_nothing_is_there_in_rows_enough() -> None:
    on = np.repeat([0, 1, 2, 3], [200, 200, LEAST, LEAST - 1])
    of = np.where(on > 1, -1, on)
    of[::9] = -1
    found = determined(on, of)
    assert found is not None
    assert found.gaps
    assert [(on[i], of[i]) for i in found.rows] == [(0, 0), (1, 1), (2, -1)]


def test_columns_that_are_there_together() -> None:
    x = np.ones((4 * ENOUGH, 4))
    x[::2, 1] = x[1::2, 2] = np.nan  # never together
    x[::7, 3] = np.nan
    found, rows = together(x)
    assert found == [0, 1, 3]
    assert (rows == ~np.isnan(x[:, [0, 1, 3]]).any(axis=1)).all()


def test_a_part_that_is_missing_may_be_the_largest() -> None:
    """Where it may, what is there is at most that; where none was hidden, it is the largest of what is there."""
    parts = {"a": [1.0, 1.0, 5.0], "b": [2.0, np.nan, np.nan]}
    frame = pd.DataFrame(parts | {"most": [2.0, 9.0, 4.0], "who": ["b", "b", "b"]})
    seen, hidden = (Extreme(("a", "b"), "most", True, (1, 1), way) for way in (False, True))
    assert seen.breaks(frame).tolist() == [False, True, True]
    assert hidden.breaks(frame).tolist() == [False, False, True]
    named = {way: Foremost(("a", "b"), ("a", "b"), "who", True, (1, 1), way) for way in (False, True)}
    assert named[False].breaks(frame).tolist() == [False, True, True]
    assert not named[True].breaks(frame).any()
    assert named[True].breaks(frame.assign(who="a", b=[2.0, np.nan, 3.0])).tolist() == [True, False, False]


def test_a_number_that_names_things_of_which_not_all_is_known() -> None:
    whole: Any = test_naming.shops()
    frame = with_gaps(common(whole), "city", "area")
    assert naming.described(frame, ["shop", "sold"]) == {"shop": ("city", "area", "opened")}


def test_rows_torn_apart_keep_codes_and_gaps() -> None:
    frame = with_gaps(common(shop()), "city", "code", "country", "people")
    rules = find(frame)
    assert {("city", "code"), ("city", "country"), ("city", "people")} <= {*codes(frame)}
    for fixed in ("", "city", "country", "people"):
        kept_when_torn(frame, rules, 3, fixed, {fixed} - {""})
    assert min(share_kept(rule, torn(frame, 3)) for rule in rules) < 0.9


@pytest.mark.parametrize(
    ("fee", "each", "said"),
    [
        (
            (5.0, 9.0, 14.0),
            (0.8, 0.8, 0.8),
            "post by count, as country says (IT: 0.8 x count + 5, NO: 0.8 x count + 9, PE: 0.8 x count + 14)",
        ),
        (
            (0.0, 0.0, 0.0),
            (0.3, 0.7, 1.9),
            "post = count times a factor by country (IT: 0.3, NO: 0.7, PE: 1.9)",
        ),
    ],
)
def test_few_numbers_may_say_what_a_label_tells_of_them(
    fee: tuple[float, ...], each: tuple[float, ...], said: str
) -> None:
    """What it costs to send up to eight things: a line or a price for each country, and none for each city."""
    rng = np.random.default_rng(0)
    city, count = rng.integers(0, 6, 500), rng.integers(1, 9, 500)
    country = city // 2
    frame = common(
        pd.DataFrame(
            {
                "city": np.array(["Rome", "Pisa", "Oslo", "Moss", "Lima", "Puno"])[city],
                "country": np.array(["IT", "NO", "PE"])[country],
                "count": count,
                "post": np.round(np.array(fee)[country] + np.array(each)[country] * count, 2),
            }
        )
    )
    assert said in {str(rule) for rule in find(with_gaps(frame, "country", "count"))}
