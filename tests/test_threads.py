"""One thread where several wait for one another, and as many as before afterwards."""

from __future__ import annotations

import pytest
import torch

from tabstep.diffusion import threads


@pytest.mark.parametrize(("several", "chosen"), [(1.2, 3), (1.3, 1), (0.4, 3)])
def test_several_threads_are_left_where_they_are_far_slower_than_one(
    monkeypatch: pytest.MonkeyPatch, several: float, chosen: int
) -> None:
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr(threads, "seconds", lambda n: several if n > 1 else 1.0)
        with threads.as_many_as_help() as found:
            assert found == chosen == torch.get_num_threads()
        assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError), threads.as_many_as_help():
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(usual)


def test_one_thread_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        monkeypatch.setattr(threads, "seconds", lambda n: pytest.fail("measured"))
        with threads.as_many_as_help() as found:
            assert found == 1
    finally:
        torch.set_num_threads(usual)


def test_a_pass_takes_time_and_leaves_the_threads() -> None:
    before = torch.get_num_threads()
    assert 0 < threads.seconds(1) < 10
    assert torch.get_num_threads() == before
