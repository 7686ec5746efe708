"""What one column has above another: found where planted, kept whatever was drawn, its size as it was, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.surplus import ABOVE, APART, Surplus
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
SAID = {
    "paid = the larger of 0 and loss - ded, at most limit",
    "over = the larger of 0 and hours - contract",
    "short = the larger of 0 and target - done",
    "bonus = 5 x the larger of 0 and done - target",
    "fine = 12.5 x the larger of 0 and real - told, rounded down",
    "error = how far real and told are apart",
}


def surplus(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    loss = rng.lognormal(7, 1, n).round(2)
    ded, limit = rng.choice([0, 250, 500, 1000], n), rng.choice([2500, 5000, 10000], n)
    hours, contract = rng.integers(20, 60, n), rng.choice([20, 30, 38, 40], n)
    target, done = rng.integers(50, 200, n), rng.integers(30, 220, n)
    real = rng.normal(20, 4, n).round(1)
    told = (real + rng.normal(0, 1, n)).round(1)
    return pd.DataFrame(
        {
            "paid": np.minimum(np.maximum(loss - ded, 0), limit).round(2),
            "loss": loss,
            "ded": ded,
            "limit": limit,
            "hours": hours,
            "contract": contract,
            "over": np.maximum(0, hours - contract),
            "target": target,
            "done": done,
            "short": np.maximum(0, target - done),
            "bonus": 5 * np.maximum(0, done - target),
            "real": real,
            "told": told,
            "error": np.abs(real - told).round(1),
            "fine": np.floor(np.maximum(0, (real - told).round(1)) * 12.5 + 1e-9),
            "grade": rng.choice([*"ABC"], n),
        }
    )


def exact(frame: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """What the columns must be, reckoned once more."""
    apart = (frame["real"] - frame["told"]).round(1)
    return {
        "paid": (frame["loss"] - frame["ded"]).clip(0, frame["limit"]),
        "over": (frame["hours"] - frame["contract"]).clip(0),
        "short": (frame["target"] - frame["done"]).clip(0),
        "bonus": 5 * (frame["done"] - frame["target"]).clip(0),
        "error": apart.abs(),
        "fine": np.floor(12.5 * apart.clip(0) + 1e-9),
    }


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(surplus())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Surplus)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "loss", "limit", "hours", "over", "told"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    after = kept_when_torn(*learned, seed, fixed, ("grade", "limit"))
    for name, wanted in exact(after).items():
        np.testing.assert_allclose(after[name], wanted, atol=0.0051)


def test_what_varies_little_is_as_it_was_drawn_and_moves_what_it_is_told_of(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]],
) -> None:
    """An error reckoned from two drawn numbers would be as large as what drawing adds to them."""
    frame, rules = learned
    gives = {rule.of: rule.gives[0] for rule in rules if isinstance(rule, Surplus)}
    assert gives["error"] in ("real", "told")
    assert {name for name, first in gives.items() if first != name} == {"error"}
    after = kept_when_torn(frame, rules, 0, "")
    assert sorted(after["error"]) == sorted(frame["error"])


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from([ABOVE, APART]),
    factor=st.floats(-9, 9).filter(lambda f: abs(f) > 0.01),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_part_can_follow(shape: str, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rule = Surplus("a", "b", "y", shape, factor, (), False, 0.0, (0.0, 0.0), ("y", "a", "b"))
    real, drawn = (pd.DataFrame(rng.uniform(0, 90, (30, 2)), columns=["a", "b"]) for _ in range(2))
    over = real["a"] - real["b"]
    made = rule.made(real)
    np.testing.assert_allclose(made, factor * (np.abs(over) if shape == APART else np.maximum(over, 0)))
    for name in ("a", "b"):
        frame = real.assign(y=made, **{name: drawn[name]})
        moved = frame.assign(**{name: rule.moved(name, frame)})
        np.testing.assert_allclose(rule.exact(moved), made, atol=1e-9)
        side = np.sign(frame["a"] - frame["b"])
        if shape == APART:
            assert (np.sign(moved["a"] - moved["b"]) == side).all()


def test_what_is_beyond_a_limit_stays() -> None:
    rule = Surplus("a", "b", "y", ABOVE, 1.0, ("most",), False, 0.0, (0.0, 0.0), ("y", "a", "b"))
    frame = pd.DataFrame({"a": [9.0, 2.0, 9.0, 1.0], "b": 1.0, "y": [5.0, 5.0, 3.0, 0.0], "most": 5.0})
    assert rule.moved("a", frame).tolist() == [9.0, 6.0, 4.0, 1.0]


def test_numbers_that_are_only_like_it_are_no_rule() -> None:
    frame = surplus()
    rng = np.random.default_rng(1)
    for name in ("paid", "over", "short", "bonus", "error", "fine"):
        frame[name] = frame[name] + rng.integers(0, 2, N)
    frame["difference"] = frame["real"] - frame["told"]  # and this is a sum
    assert not any(isinstance(rule, Surplus) for rule in find(common(frame)))


def test_what_is_none_is_refused() -> None:
    for wrong in ({"shape": "below"}, {"factor": 0.0}):
        given_ = {"shape": ABOVE, "factor": 1.0} | wrong
        with pytest.raises(ValueError, match="expected"):
            Surplus("a", "b", "y", **given_, most=(), down=False, step=0.0, grids=(0.0, 0.0), gives=("y",))  # type: ignore[arg-type]


def test_drawn_rows_keep_them() -> None:
    rows = tabstep.fit(surplus(), method="mixture").sample(500, seed=0)
    for name, wanted in exact(rows).items():
        np.testing.assert_allclose(rows[name], wanted, atol=0.0051)
