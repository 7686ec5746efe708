"""What grows or is worn by so much a year: the power, year by year; found where planted, and kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data.constraint_search import find, step
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.growth import RATES, TERMS, Growth
from tabstep.data.growth_search import growths
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
SAID = {
    "amount = principal x (1 + percent / 100)^years",
    "owed = loan x (1 + rate / 12)^(12 x held)",
    "value = price x 0.85^age, rounded down",
}


def grown(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    principal, percent, years = (
        rng.integers(10, 500, n) * 100,
        rng.choice([1.5, 2, 2.75, 3.1, 4.25, 5], n),
        rng.integers(1, 25, n),
    )
    loan, rate, held = (
        rng.lognormal(8, 1, n).round(2),
        rng.uniform(0.01, 0.09, n).round(4),
        rng.integers(0, 9, n),
    )
    price, age = rng.integers(80, 600, n) * 100, rng.integers(0, 15, n)
    return pd.DataFrame(
        {
            "amount": [
                round(p * by_year(1 + r / 100, t), 2)
                for p, r, t in zip(principal, percent, years, strict=True)
            ],
            "principal": principal,
            "percent": percent,
            "years": years,
            "loan": loan,
            "rate": rate,
            "held": held,
            "owed": [
                round(p * by_year(1 + r / 12, 12 * t), 2) for p, r, t in zip(loan, rate, held, strict=True)
            ],
            "value": np.floor(price * 0.85**age + 1e-9),
            "price": price,
            "age": age,
            "make": rng.choice(["vw", "kia"], n),
        }
    )


def by_year(ratio: float, years: int) -> float:
    grown = 1.0
    for _ in range(years):
        grown *= ratio
    return grown


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(grown())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Growth)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


def test_gaps_hide_none() -> None:
    frame = grown()
    for k, name in enumerate(
        ("amount", "principal", "percent", "years", "owed", "loan", "value", "price", "age")
    ):
        frame[name] = frame[name].where(np.arange(N) % 23 != k)
    assert {str(rule) for rule in find(common(frame))} >= SAID


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "principal", "years", "rate", "price"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    kept_when_torn(*learned, seed, fixed, ("make", "years", "percent", "held", "rate", "age"))


@settings(max_examples=40, deadline=None)
@given(
    scales=st.tuples(st.sampled_from([*RATES]), st.sampled_from([*TERMS])),
    constant=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_it_grew_from_can_follow(scales: tuple[float, float], constant: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = 0.1 / abs(scales[0])
    frame = pd.DataFrame(
        {"x": rng.uniform(1, 90, 20), "r": rng.uniform(0.1, 1, 20) * size, "t": rng.integers(0, 9, 20) * 1.0}
    )
    given_: dict[str, object] = {"rate": (), "ratio": 1.07} if constant else {"rate": ("r",), "ratio": 1.0}
    rule = Growth("x", term="t", of="y", scales=scales, down=False, step=0.0, grid=0.0, **given_)  # type: ignore[arg-type]
    made = rule.made(frame)
    ratios = np.full(20, 1.07) if constant else 1 + scales[0] * frame["r"]
    times = (scales[1] * frame["t"]).astype(int)
    np.testing.assert_allclose(
        made, [x * by_year(q, t) for x, q, t in zip(frame["x"], ratios, times, strict=True)], rtol=1e-9
    )
    torn = frame.assign(y=made, x=rng.uniform(1, 90, 20))
    np.testing.assert_allclose(rule.moved("x", torn), frame["x"], rtol=1e-9)


def test_other_numbers_did_not_grow() -> None:
    frame, rng = grown(), np.random.default_rng(1)
    for name in ("amount", "owed", "value"):
        frame[name] = (frame[name] * rng.uniform(0.98, 1.02, N)).round(2)
    assert not any(isinstance(rule, Growth) for rule in find(common(frame)))


@pytest.mark.parametrize("wrong", [{"scales": (0.5, 1.0)}, {"ratio": 0.0}, {"ratio": 1.0}])
def test_what_is_none_is_refused(wrong: dict[str, object]) -> None:
    given_ = {"ratio": 1.1, "scales": (1.0, 1.0)} | wrong
    with pytest.raises(ValueError, match="expected"):
        Growth("x", (), "t", "y", down=False, step=0.0, grid=0.0, **given_)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_is_never_there_together_says_nothing() -> None:
    frame = common(grown())
    names = [name for name in frame.columns if frame[name].dtype.kind in "iuf"]
    steps = {name: step(frame[name]) for name in names}
    whole = {frozenset(rule.columns) for rule in growths(frame, names, steps)}
    apart = frame.assign(
        **{name: frame[name].where(np.arange(len(frame)) % len(names) == k) for k, name in enumerate(names)}
    )
    with np.errstate(all="ignore"):
        assert whole
        assert list(growths(apart, names, steps)) == []
