"""Networks that a fit teaches for one and two evaluations: chosen without being named, kept, and checked when read."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tabstep
from tabstep.api import taught
from tabstep.api.synthesizer import Synthesizer
from tabstep.contracts import Unsupported
from tabstep.diffusion.model import FILE
from tabstep.diffusion.tabstep import TabStep
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.distilled import Distilled
from tabstep.samplers.judged import Judge, regrets
from tabstep.samplers.setting import path_for
from tabstep.samplers.start import CORRELATED, check_correlated
from tests.test_cli import call

SMALL = TabStep(layers=(16,), steps=20, batch_size=64, T=50)


def frame(n: int = 200) -> pd.DataFrame:
    g = np.random.default_rng(0)
    x = g.normal(size=n).round(3)
    return pd.DataFrame({"x": x, "y": (x + g.normal(size=n)).round(3), "kind": g.choice(["a", "b"], n)})


@pytest.fixture(scope="module", autouse=True)
def _soon() -> Any:
    """Networks are taught in a few steps."""
    own = SAMPLERS[taught.SAMPLER]
    assert isinstance(own, Distilled)
    quick = replace(own, pairs=256, steps=10, batch_size=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SAMPLERS, taught.SAMPLER, quick)
        patch.setattr(taught, "LEAST_ROWS", 10**9)  # so soon taught, they would be judged to be worse
        yield


@pytest.fixture(scope="module")
def model() -> Synthesizer:
    return tabstep.fit(frame(400), "kind", method=SMALL, distill=(1, 2), progress="none")


@pytest.mark.whole
def test_what_was_taught_is_drawn_by_without_being_named(model: Synthesizer) -> None:
    assert model.taught == (1, 2)
    one = model.sample(20, steps=1)
    assert one.attrs["drawn by"] == "distilled on trailing, 1 evaluation a row"
    pd.testing.assert_frame_equal(one, model.sample(20, steps=1, sampler=taught.SAMPLER))
    three = model.sample(20, steps=3)
    assert three.attrs["drawn by"] == f"{DEFAULT_SAMPLER} on trailing, 3 evaluations a row"
    other = model.sample(20, steps=2, grid="quad")  # the networks were taught at other times
    assert other.attrs["drawn by"].startswith(DEFAULT_SAMPLER)
    assert model.settings["taught for evaluations"] == (1, 2)


@pytest.mark.whole
def test_a_model_that_was_not_taught_draws_by_the_default() -> None:
    plain = tabstep.fit(frame(), "kind", method=SMALL, progress="none")
    assert plain.taught == ()
    assert plain.sample(5, steps=1).attrs["drawn by"].startswith(DEFAULT_SAMPLER)
    assert "taught for evaluations" not in plain.settings
    seen: list[tuple[int, int, float]] = []
    plain.distill(1, progress=lambda *told: seen.append(told))
    assert plain.taught == (1,)
    assert seen[-1][:2] == (10, 10)


@pytest.mark.whole
def test_a_saved_model_carries_them(model: Synthesizer, tmp_path: Path) -> None:
    model.save(tmp_path)
    read = tabstep.load(tmp_path)
    assert read.taught == (1, 2)
    for K in (1, 2):
        pd.testing.assert_frame_equal(read.sample(30, steps=K), model.sample(30, steps=K))
    plain = tabstep.fit(frame(), "kind", method=SMALL, progress="none")
    plain.save(tmp_path)
    read = tabstep.load(tmp_path)
    with pytest.raises(Unsupported, match=r"training rows: fit\(..., distill=1\)"):
        read.distill(1, progress="none")
    with pytest.raises(Unsupported, match="no networks were taught for 2 evaluations"):
        read.sample(5, steps=2, sampler=taught.SAMPLER)


@pytest.mark.whole
def test_rows_that_wait_for_networks_to_be_taught_say_so() -> None:
    plain = tabstep.fit(frame(), "kind", method=SMALL, progress="none")
    with pytest.warns(UserWarning, match=r"taught for 1 evaluation first.*model.distill\(1\)"):
        rows = plain.sample(5, steps=1, sampler=taught.SAMPLER)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pd.testing.assert_frame_equal(rows, plain.sample(5, steps=1, sampler=taught.SAMPLER))


@pytest.mark.whole
@pytest.mark.parametrize(
    "damage", ["shape", "number", "name", "start", "begin", "no room", "no start", "no begin"]
)
def test_damaged_networks_are_refused(model: Synthesizer, tmp_path: Path, damage: str) -> None:
    from tabstep.data import artifact

    model.save(tmp_path)
    text, tensors = artifact.read(tmp_path / FILE)
    found = dict(tensors)
    network = taught.names(model.model, model.artifacts, 1)[1]
    name = next(key for key in found if network in key)
    begin = next(key for key in found if key.endswith(f"{taught.begin(1)}.horizon"))
    if damage == "shape":
        found[name] = found[name][..., :0]
    elif damage == "number":
        found[name] = found[name] * float("nan")
    elif damage == "name":
        found[name.replace("distilled-", "distilled-0")] = found.pop(name)
    elif damage == "begin":
        found[begin] = torch.tensor(SMALL.T + 1)
    elif damage == "no room":
        found[begin.replace(taught.begin(1), taught.begin(2))] = torch.tensor(1)  # for two calls
    elif damage == "no start":
        found[begin.replace("horizon", "start")] = torch.tensor(2)
    elif damage == "no begin":
        del found[begin]
    else:
        root = next(key for key in found if CORRELATED in key and key.endswith("root"))
        found[root] = -found[root]
    artifact.write(tmp_path / FILE, text, found)
    with pytest.raises(
        ValueError, match=r"taught network|jumps from no time|not finite|unknown kind|roots of covariances"
    ):
        tabstep.load(tmp_path)


@pytest.mark.parametrize("wanted", [0, 3, (1, 5), 1.5, "both", None, [1, None]])
def test_other_budgets_are_refused_before_the_fit(wanted: Any) -> None:
    with pytest.raises(
        ValueError, match=r"distill must be in 1\.\.2, got .*default sampler needs no network taught"
    ):
        tabstep.fit(frame(), method=SMALL, distill=wanted, progress="none")


def test_more_evaluations_than_the_model_has_steps_are_refused_before_the_fit() -> None:
    with pytest.raises(ValueError, match="distill: 2 evaluations of a model with T = 1"):
        tabstep.fit(frame(), method=replace(SMALL, T=1), distill=2, progress="none")


def test_a_model_is_saved_before_networks_are_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while they are, the fit is not lost."""

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Synthesizer, "distill", killed)
    table, folder = tmp_path / "my.csv", tmp_path / "model"
    frame().to_csv(table, index=False)
    assert call("fit", table, "--save", folder, "--distill", "1", *QUICK).exit_code != 0
    assert tabstep.load(folder).taught == ()


def test_a_method_without_steps_has_no_network_to_teach() -> None:
    with pytest.raises(ValueError, match="distill: Marginals draws rows without steps"):
        tabstep.fit(frame(), method="marginals", distill=1, progress="none")


@pytest.mark.whole
def test_a_start_is_checked(model: Synthesizer) -> None:
    encoder = model.encoder
    found = dict(model.artifacts.held(taught.START) or {})
    told = (encoder.sizes, encoder.d_num, len(encoder.classes))
    check_correlated(found, *told)
    for name in found:
        for damaged in (found | {name: found[name].float()}, found | {name: found[name] * float("inf")}):
            with pytest.raises(ValueError, match="a mixture of shapes"):
                check_correlated(damaged, *told)
        with pytest.raises(ValueError, match="a mixture of shapes"):
            check_correlated({key: v for key, v in found.items() if key != name}, *told)
    with pytest.raises(ValueError, match="roots of covariances"):
        check_correlated(found | {"root": -found["root"]}, *told)


QUICK = ("--set", "T=50", "--set", "steps=15", "--set", "layers=16,16", "--set", "batch_size=64")


@pytest.mark.whole
def test_the_commands_teach_keep_and_say_how_rows_are_drawn(tmp_path: Path) -> None:
    table, folder, out = tmp_path / "my.csv", tmp_path / "model", tmp_path / "rows.csv"
    frame().to_csv(table, index=False)
    done = call("fit", table, "--save", folder, "--distill", "1,2", *QUICK)
    assert done.exit_code == 0, done.output
    assert tabstep.load(folder).taught == (1, 2)
    done = call("sample", folder, "--rows", 9, "--out", out, "--steps", 2)
    assert done.exit_code == 0, done.output
    assert "drawn by distilled on trailing, 2 evaluations a row" in " ".join(done.output.split())
    done = call("sample", folder, "--rows", 9, "--out", out, "--steps", 4)
    assert f"drawn by {DEFAULT_SAMPLER} on trailing, 4 evaluations a row" in " ".join(done.output.split())
    done = call("sample", table, "--rows", 9, "--out", out, "--steps", 1, "--sampler", taught.SAMPLER, *QUICK)
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(out)) == 9


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--distill", "3"), "--distill must be positive whole numbers in 1 .. 2, got '3'"),
        (("--distill", "1", "--method", "marginals"), "--distill: Marginals draws rows without steps"),
    ],
)
def test_commands_refuse_what_cannot_be_taught(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    table = tmp_path / "my.csv"
    frame().to_csv(table, index=False)
    done = call("sample", table, "--rows", 9, "--out", tmp_path / "rows.csv", *options)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


@pytest.mark.whole
def test_a_saved_model_is_not_taught_by_an_option(model: Synthesizer, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    done = call("sample", tmp_path / "model", "--rows", 9, "--out", tmp_path / "rows.csv", "--distill", "1")
    assert done.exit_code == 2
    assert "--distill: only with a table" in " ".join(done.output.split())


@pytest.mark.whole
@pytest.mark.parametrize(("own", "other", "worse"), [(0.0, 3.0, False), (3.0, 0.0, True), (1.0, 0.9, False)])
def test_networks_that_draw_worse_rows_than_the_default_do_not_draw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: float, other: float, worse: bool
) -> None:
    """The measure is given; the scatter of one fold is 0.25."""
    fitted = tabstep.fit(frame(), "kind", method=SMALL, progress="none")
    scatter = np.array([0.25, -0.25, 0.25, -0.25, 0.0])
    monkeypatch.setattr(taught, "LEAST_ROWS", 1)
    monkeypatch.setattr(taught, "regrets", lambda found: np.stack([own + scatter, other - scatter]))
    if worse:
        with pytest.warns(
            UserWarning, match=f"by 1 evaluation {DEFAULT_SAMPLER} draws better rows of this table"
        ):
            fitted.distill(1, progress="none")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted.distill(1, progress="none")
    expected = DEFAULT_SAMPLER if worse else taught.SAMPLER
    fitted.save(tmp_path / "m")
    for drawer in (fitted, tabstep.load(tmp_path / "m")):
        assert drawer.sample(5, steps=1).attrs["drawn by"].startswith(expected)
        assert drawer.sample(5, steps=1, sampler=taught.SAMPLER).attrs["drawn by"].startswith(taught.SAMPLER)


@pytest.mark.whole
def test_both_are_drawn_for_the_held_rows_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = tabstep.fit(frame(400), "kind", method=SMALL, progress="none")
    monkeypatch.setattr(taught, "LEAST_ROWS", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.distill(1, progress="none")
    found = fitted.artifacts.held(taught.judged(1))
    assert found is not None
    assert found["regret"].shape == (2, 5)
    setting = fitted._draws.setting()
    ways = [SAMPLERS[name] for name in (taught.SAMPLER, DEFAULT_SAMPLER)]
    drawn = [Judge(setting)(way, path_for(way, GRIDS[way.grid], setting, 1)) for way in ways]
    assert found["regret"].numpy() == pytest.approx(regrets(drawn))
    assert found["regret"].abs().max() > 0.1  # they do differ
    network = next(name for name in taught.kept(fitted.model, fitted.artifacts) if name == taught.judged(1))
    with pytest.raises(ValueError, match="held against nothing"):
        taught.check({network: {"regret": torch.zeros(3, 5)}}, fitted.model)
