"""Another column times what several come to: found where planted, whichever columns come first, and kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data.constraint_search import find, step
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.priced import Priced
from tabstep.data.priced_search import priced
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
SAID = {
    "gross = rate x (regular + 1.5 x overtime)",
    "fare = 4 + ticket x (adults + children / 2)",
}


def wages(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rate, regular = rng.integers(30, 90, n) / 2, rng.integers(20, 41, n)
    overtime = np.where(rng.random(n) < 0.5, 0, rng.integers(1, 15, n))
    gross = (rate * (regular + 1.5 * overtime)).round(2)
    tax = (gross * 0.22).round(2)
    ticket, adults, children = rng.gamma(3, 9, n).round(1), rng.integers(1, 5, n), rng.integers(0, 6, n)
    return pd.DataFrame(
        {
            "net": (gross - tax).round(2),
            "gross": gross,
            "regular": regular,
            "overtime": overtime,
            "rate": rate,
            "tax": tax,
            "fare": (4 + ticket * (adults + children / 2)).round(2),
            "ticket": ticket,
            "adults": adults,
            "children": children,
            "dept": rng.choice(["a", "b"], n),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(wages())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Priced)} == SAID
    told = {str(rule) for rule in rules}
    assert "net = gross - tax" in told or "tax = gross - net" in told
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "rate", "overtime", "adults", "ticket"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    kept_when_torn(*learned, seed, fixed, ("dept",))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_the_order_of_columns_says_nothing(seed: int, data: st.DataObject) -> None:
    frame = common(wages(400, seed=seed)).drop(columns=["dept", "net", "tax"])
    names = data.draw(st.permutations(list(frame.columns)))
    steps = {name: step(frame[name]) for name in names}
    assert {rule.of for rule in priced(frame, names, steps, lambda _: False)} >= {"gross", "fare"}


@settings(max_examples=40, deadline=None)
@given(
    factors=st.lists(st.floats(-9, 9).filter(lambda f: abs(f) > 0.01), min_size=2, max_size=5),
    base=st.sampled_from([0.0, -7.5, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_column_can_follow(factors: list[float], base: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(f"x{k}" for k in range(len(factors)))
    rule = Priced("p", names, tuple(factors), base, "y", False, 0.0, (0.0,) * (1 + len(names)))
    real, drawn = (
        pd.DataFrame(rng.uniform(1, 90, (20, 1 + len(names))), columns=["p", *names]) for _ in range(2)
    )
    made = rule.made(real)
    come_to = sum(f * real[x] for f, x in zip(factors, names, strict=True))
    np.testing.assert_allclose(made, base + real["p"] * come_to)
    for name in ("p", *names):
        frame = real.assign(y=made, **{name: drawn[name]})
        moved = frame.assign(**{name: rule.moved(name, frame)})
        np.testing.assert_allclose(rule.exact(moved), made, rtol=1e-6, atol=1e-6)


def test_numbers_that_are_only_like_it_are_no_rule() -> None:
    frame, rng = wages(), np.random.default_rng(1)
    frame["gross"] = frame["gross"] + rng.integers(0, 2, N)
    frame["fare"] = (frame["fare"] * rng.uniform(0.99, 1.01, N)).round(2)
    assert not any(isinstance(rule, Priced) for rule in find(common(frame.drop(columns=["net", "tax"]))))


@pytest.mark.parametrize(
    ("parts", "factors"), [(("a",), (1.0,)), (("a", "b"), (1.0, 0.0)), (("a", "b"), (1.0,))]
)
def test_what_is_none_is_refused(parts: tuple[str, ...], factors: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Priced("p", parts, factors, 0.0, "y", False, 0.0, (0.0,) * 3)
