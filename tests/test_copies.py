"""A fitted model is copied, goes to other processes, and is the same whatever other threads fit."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tabstep
from tests.test_asked import TINY, fitted, plain


def drawn(model: tabstep.Synthesizer) -> pd.DataFrame:
    return model.sample(9, steps=2)


@pytest.mark.whole
def test_a_model_that_drew_is_copied_and_goes_to_other_processes(tmp_path: Path) -> None:
    model = fitted(plain())
    rows = drawn(model)
    model.save(tmp_path / "model")
    loaded = tabstep.load(tmp_path / "model")
    for one in (model, loaded):
        for other in (copy.deepcopy(one), copy.copy(one), pickle.loads(pickle.dumps(one))):
            pd.testing.assert_frame_equal(drawn(other), rows)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pd.testing.assert_frame_equal(pool.submit(drawn, loaded).result(), rows)
    boot = tabstep.fit(plain(), method="bootstrap", progress="none")
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(boot)).sample(9), boot.sample(9))


@pytest.mark.whole
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_fits_in_threads_are_those_of_fits_alone(dropout: float) -> None:
    method = tabstep.TabDDPM(T=20, steps=20, layers=(64, 64), batch_size=64, dropout=dropout)
    frame = plain()

    def weights(seed: int) -> list[np.ndarray]:
        model = tabstep.fit(frame, method=method, seed=seed, progress="none")
        return [value.numpy() for value in model.model.network.state_dict().values()]

    torch.manual_seed(7)
    wanted = torch.random.get_rng_state()
    alone = [weights(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(weights, range(6)))
    for one, other in zip(alone, together, strict=True):
        assert all(map(np.array_equal, one, other))
    assert torch.equal(torch.random.get_rng_state(), wanted)


def test_a_time_too_short_for_a_step_is_one_step() -> None:
    model = tabstep.fit(plain(), method=tabstep.TabStep(layers=(8,), T=20), seconds=1e-9, progress="none")
    assert model.settings["trained steps"] == 1
    assert len(drawn(model)) == 9
    large = pd.concat([plain()] * 10)
    assert (
        len(
            drawn(
                tabstep.fit(large, method=tabstep.TabStep(layers=(8,), T=20), seconds=1e-9, progress="none")
            )
        )
        == 9
    )


def test_a_bar_that_nobody_sees_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    tabstep.fit(plain(), method=TINY)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("seed", [-1, 1.5, "1"])
def test_a_report_checks_its_seed(seed: object) -> None:
    boot = tabstep.fit(plain(200), method="bootstrap", progress="none")
    with pytest.raises(ValueError, match="seed must be in 0"):
        boot.report(plain(200), seed=seed)  # type: ignore[arg-type]


def test_names_of_several_levels_are_joined_as_said() -> None:
    frame = plain().set_axis(pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]), axis=1)
    with pytest.raises(ValueError, match="these have 2 levels") as error:
        fitted(frame)
    advice = str(error.value).partition("; use ")[2]
    assert list(fitted(eval(advice, {"frame": frame})).sample(2, steps=1)) == ["a_1", "a_2", "b_1"]


def test_only_noise_is_decoded() -> None:
    model = fitted(plain())
    for other in (None, plain(), np.zeros(3)):
        with pytest.raises(ValueError, match="latent must be what encode returns, got a"):
            model.decode(other)  # type: ignore[arg-type]


def test_infinite_values_are_named_by_a_report() -> None:
    frame = plain(200)
    boot = tabstep.fit(frame, method="bootstrap", progress="none")
    odd = frame.assign(x=np.where(frame.index < 2, np.inf, frame["x"]))
    with pytest.raises(ValueError, match="real: column 'x' holds 2 infinite values"):
        boot.report(odd)
    with pytest.raises(ValueError, match="holdout: column 'x' holds 2 infinite values"):
        boot.report(frame, odd)
