"""Artifacts: what is read is what was written, and anything else is refused."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch

from tabstep.data import artifact
from tabstep.data.replacing import replace
from tabstep.diffusion.model import FORMAT, Diffusion
from tabstep.samplers.setting import Artifacts

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "none": torch.empty(0),
    "turned": torch.arange(6).reshape(2, 3).T,
}
TEXT = {"format": 1, "name": "é ☃", "list": [1, None, 0.1]}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "below" / "one.safetensors"
    artifact.write(path, TEXT, TENSORS)
    text, tensors = artifact.read(path)
    assert text == TEXT
    assert tensors.keys() == TENSORS.keys()
    assert all(tensors[k].dtype == v.dtype and torch.equal(tensors[k], v) for k, v in TENSORS.items())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_every_changed_byte_and_every_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    artifact.write(path, TEXT, TENSORS)
    whole, dice = path.read_bytes(), random.Random(0)
    for place in range(len(whole)):
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << dice.randrange(8))]) + whole[place + 1 :]
        )
        try:
            text, tensors = artifact.read(path)
        except artifact.Damaged:
            continue
        # A changed byte of padding, or of an escape, changes nothing of what is there.
        assert text == TEXT
        assert all(torch.equal(tensors[k], v) for k, v in TENSORS.items())
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(artifact.Damaged, match=r"one\.safetensors"):
            artifact.read(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_stops_half_way_leaves_the_old_one(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.safetensors"
    artifact.write(path, TEXT, TENSORS)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        artifact.write(path, {"format": 2}, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_damaged_table_of_a_sampler_is_made_again(tmp_path: Path) -> None:
    made = Artifacts(tmp_path).tensors("table", lambda: {"x": torch.ones(3)})
    (tmp_path / "table.safetensors").write_bytes(b"not whole")
    again = Artifacts(tmp_path)
    assert torch.equal(again.tensors("table", lambda: {"x": torch.ones(3)})["x"], made["x"])
    assert again.borrowed_s == 0
    last = Artifacts(tmp_path)
    last.tensors("table", dict)
    assert last.borrowed_s > 0, "it was read, not made"


def test_a_model_of_an_earlier_format_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": 1}')
    with pytest.raises(
        ValueError, match=rf"model of format 1, this version reads {FORMAT}; fit and save it again"
    ):
        Diffusion.load(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a pipe"])
def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """A name such as /dev/null, given to an option that writes, once took the device away."""
    place = tmp_path / "place"
    if kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe")
        place.symlink_to(tmp_path / "pipe") if kind == "link to a pipe" else (tmp_path / "pipe").rename(place)
    before = place.lstat().st_mode, sorted(tmp_path.iterdir())
    with pytest.raises(FileExistsError, match="no plain file"):
        replace(place, b"content")
    assert (place.lstat().st_mode, sorted(tmp_path.iterdir())) == before
