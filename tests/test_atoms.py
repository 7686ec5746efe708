"""Point masses as categories: found by the rule, undone exactly, and alike for every sampler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.atoms import FREE, MOST, AtomRule, Atoms, companion
from tabstep.data.encode import Encoder
from tabstep.data.plateaus import Plateaus
from tabstep.data.table import Schema
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.samplers.setting import Setting, path_for

RULE = AtomRule()
SCHEMA = Schema("binclass", "y", ("amount", "whole", "few", "smooth"), ("city",), frozenset({"whole", "few"}))


def table(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Columns with 60 % zeros and a cap, of whole numbers with a mass inside, of three values, and a smooth one."""
    rng = np.random.default_rng(seed)
    amount = np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 10, n).clip(max=30))
    whole = np.where(rng.random(n) < 0.4, 40, rng.integers(1, 99, n))
    return pd.DataFrame(
        {
            "amount": amount,
            "whole": whole,
            "few": rng.integers(0, 3, n),
            "smooth": rng.normal(size=n),
            "city": rng.choice(["a", "b", "c"], n).astype(object),
            "y": rng.choice(["no", "yes"], n).astype(object),
        }
    )


def encoder(frame: pd.DataFrame) -> Encoder:
    return Encoder.fit(frame, SCHEMA, atoms=RULE)


def test_the_rule_finds_what_is_there_and_nothing_else() -> None:
    frame = table()
    found = Atoms.find(frame, SCHEMA, RULE)
    assert dict(found.values) == {"amount": (0.0, 30.0), "whole": (40.0,), "few": (0.0, 1.0, 2.0)}
    assert found.free == {"amount", "whole"}


@pytest.mark.parametrize(
    ("values", "atoms"),
    [
        (
            [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 2,
            tuple(map(float, range(1, 11))),
        ),  # twice each: all are masses
        (np.arange(100.0), ()),  # one row each is no mass, the ends included
        ([0.0] * 4 + [*np.linspace(1, 2, 96)], (0.0,)),  # an end needs less
        ([0.5] * 4 + [*np.linspace(0, 1, 96)], ()),  # than a value inside
        ([0.0] * 4 + [0.1] * 2 + [*np.linspace(1, 2, 94)], ()),  # but more than what lies beside it
        ([0.5] * 5 + [*np.linspace(0, 1, 95)], (0.5,)),
        ([0.0] * 97 + [1.0, 2.0, 3.0], (0.0,)),  # three values are left: a number
        ([0.0] * 98 + [1.0, 2.0], (0.0, 1.0, 2.0)),  # two are classes
    ],
)
def test_the_rule_by_hand(values: object, atoms: tuple[float, ...]) -> None:
    assert RULE.find(np.asarray(values)) == atoms


def test_a_column_has_at_most_so_many_atoms() -> None:
    values = np.repeat(np.arange(60.0), np.arange(10, 70))
    found = AtomRule(share=0.001, end_share=0.001).find(values)
    assert len(found) == MOST
    assert found == tuple(np.arange(60.0)[-MOST:])  # the heaviest


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        TabStep(atom_share=share)


def test_rows_come_back_and_atoms_exactly() -> None:
    frame = table()
    fitted = encoder(frame)
    assert fitted.numbers == ["amount", "whole", "smooth"]
    assert set(fitted.categories) == {"city", *map(companion, ("amount", "whole", "few"))}
    back = fitted.decode(*fitted.encode(frame))
    assert back.dtypes.equals(frame.dtypes)
    for name in ("whole", "few", "city", "y"):
        assert (back[name] == frame[name]).all()
    for name, atoms in fitted.atoms.values.items():
        at = frame[name].isin(atoms)
        assert (back[name][at] == frame[name][at]).all()
        assert not back[name][~at].isin(atoms).any()
    assert np.allclose(back["smooth"], frame["smooth"], atol=0.05)


def test_the_number_of_an_atom_is_where_it_lies_among_all_rows() -> None:
    """The whole column is N(0, 1) but for its plateaus, each at the middle of the ranks that it takes."""
    frame = table(20_000)
    x, _, _ = encoder(frame).encode(frame)
    amount = torch.from_numpy(frame["amount"].to_numpy())
    zero, cap = float((amount == 0).double().mean()), float((amount == 30).double().mean())
    normal = torch.distributions.Normal(0.0, 1.0)
    assert torch.allclose(x[amount == 0, 0], normal.icdf(torch.tensor(zero / 2)), atol=1e-5)
    assert torch.allclose(x[amount == 30, 0], normal.icdf(torch.tensor(1 - cap / 2)), atol=1e-4)
    free = x[(amount > 0) & (amount < 30), 0]
    ranks = normal.cdf(free)
    assert float(ranks.min()) == pytest.approx(zero, abs=0.002)
    assert float(ranks.max()) == pytest.approx(1 - cap, abs=0.002)
    assert float(ranks.mean()) == pytest.approx(
        (zero + 1 - cap) / 2, abs=0.01
    )  # uniform between the plateaus


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40, unique=True),
    counts=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 30)), min_size=1, max_size=4),
)
def test_ranks_of_free_values_come_back_past_every_plateau(
    values: list[float], counts: list[tuple[int, int]]
) -> None:
    atoms = tuple(sorted({values[i % len(values)] for i, _ in counts}))
    free = np.setdiff1d(values, atoms)
    if not len(free):
        return
    column = np.concatenate([free, *(np.repeat(values[i % len(values)], k) for i, k in counts)])
    plateaus = Plateaus.find(column, atoms)
    ranks = np.searchsorted(free, free) / len(free) + 0.5 / len(free)
    among_all = plateaus.spread(ranks, free, atoms)
    assert (np.diff(among_all) > 0).all()
    assert np.allclose(plateaus.gathered(among_all), ranks, atol=1e-9)
    everything = plateaus.spread(np.zeros(len(column)), column, atoms)
    at = {a: everything[column == a] for a in atoms}
    for a, found in at.items():
        assert np.ptp(found) == 0
        below = (column < a).mean()
        assert found[0] == pytest.approx(below + (column == a).mean() / 2, abs=1e-6)


def test_a_rule_that_finds_nothing_changes_nothing() -> None:
    frame = table()
    strict = Encoder.fit(frame, SCHEMA, atoms=AtomRule(1.0, 1.0))
    plain = Encoder.fit(frame, SCHEMA)
    assert not strict.atoms.values
    for one, other in zip(strict.encode(frame), plain.encode(frame), strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


def test_with_all_parts_off_it_is_tabddpm() -> None:
    frame = table()
    tiny = {"T": 10, "steps": 3, "layers": (8,), "lr": 1e-3, "batch_size": 64, "weights": "raw"}
    off = {"atom_share": 1.0, "end_share": 1.0, "head": "eps", "signal_floor": 0.0, "balance": "kinds"}
    off |= {"times": "uniform", "body": "plain", "frequencies": 0, "ema_warmup": 1, "held_share": 0.0}
    same = TabStep(**tiny, **off).fit(frame, SCHEMA, seed=0)  # type: ignore[arg-type]
    base = TabDDPM(**tiny).fit(frame, SCHEMA, seed=0)  # type: ignore[arg-type]
    for key, value in base.network.state_dict().items():
        # The loss has another constant and is summed in another order.
        assert torch.allclose(value, same.network.state_dict()[key], atol=1e-5)


def test_a_regression_target_keeps_its_number() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "rings": rng.integers(1, 4, 200)})
    schema = Schema("regression", "rings", ("a",), (), frozenset({"rings"}))
    fitted = Encoder.fit(frame, schema, atoms=RULE)
    assert fitted.numbers == ["rings", "a"]
    frame["rings"] = np.where(rng.random(200) < 0.3, 0, rng.integers(1, 500, 200))
    fitted = Encoder.fit(frame, schema, atoms=RULE)
    assert fitted.numbers == ["rings", "a"]
    assert fitted.atoms.values == {"rings": (0.0,)}
    assert (fitted.decode(*fitted.encode(frame))["rings"] == frame["rings"]).all()


def test_what_training_rows_lack_is_known_and_refused() -> None:
    frame = table()
    fitted = encoder(frame)
    odd = frame.head(3).assign(few=[0, 7, 2])
    assert fitted.known(odd).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="'few' has the value 7"):
        fitted.encode(odd)
    with pytest.raises(ValueError, match="may not end in"):
        Atoms.find(frame, Schema("binclass", "y", (), ("city__atom__",)), RULE)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(
        st.sampled_from([-1e300, -3.5, 0.0, 1e-300, 0.1, 2.0, 7.0, 2.0**60]), min_size=12, max_size=60
    ),
    extra=st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=30),
)
def test_any_column_of_masses_comes_back(values: list[float], extra: list[float]) -> None:
    column = np.array([*values, *extra])
    found = RULE.find(column)
    atoms = Atoms({"v": found}, {} if np.isin(column, found).all() else {"v": Plateaus.find(column, found)})
    if found:
        marks = atoms.marks("v", column)
        assert set(marks) <= set(atoms.classes("v"))
        assert (atoms.restored("v", marks, column) == column).all()
        assert ((marks == FREE) == ~np.isin(column, found)).all()


@pytest.fixture(scope="module")
def model() -> Diffusion:
    return TabStep(T=20, steps=20, layers=(16,), batch_size=64).fit(table(), SCHEMA, seed=0)


@pytest.mark.parametrize("name", ["ancestral", "ddim", "dpmpp-2m-sde", "unipc-2", "deq", "analytic"])
def test_every_kind_of_sampler_draws_it(model: Diffusion, name: str) -> None:
    rows = model.encode(table())
    setting = Setting(model.process, train=rows, held=rows).seen_by(SAMPLERS[name])
    draw = SAMPLERS[name].prepare(setting, path_for(SAMPLERS[name], GRIDS["trailing"], setting, 4))
    drawn = model.generate(draw, 200, seed=0).rows
    assert drawn.dtypes.equals(table().dtypes)
    assert drawn["few"].isin([0, 1, 2]).all()
    assert (drawn["amount"] == 0).any()
    assert not drawn.isna().any().any()


def test_a_saved_model_draws_the_same(model: Diffusion, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = Diffusion.load(tmp_path / "m")
    assert again.encoder.atoms == model.encoder.atoms
    sampler = SAMPLERS["ddim"]
    setting = Setting(model.process)
    path = path_for(sampler, GRIDS["trailing"], setting, 3)
    one, other = (
        m.generate(sampler.prepare(Setting(m.process), path), 50, seed=1).rows for m in (model, again)
    )
    pd.testing.assert_frame_equal(one, other)


def test_edit_fixes_atoms_and_numbers() -> None:
    frame = table(200)
    fitted = tabstep.fit(frame, "y", method=TabStep(T=10, steps=5, layers=(8,)), progress="none")
    rows = frame.head(4)
    edited = fitted.edit(rows, {"few": 2}, keep=["amount", "city"], steps=3, particles=4)
    assert (edited["few"] == 2).all()
    assert (edited["amount"] == rows["amount"]).all()
    with pytest.raises(ValueError, match="few = 7"):
        fitted.edit(rows, {"few": 7}, steps=3, particles=4)
