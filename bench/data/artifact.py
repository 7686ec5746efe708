"""Artifacts on disk: tensors and a text in one file, which is there as a whole or not at all and knows its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tabstep.data import plain
from tabstep.data.replacing import replace

ENTRY = "tabstep"  # of the header's metadata


class Damaged(ValueError):
    """A file that is not a whole artifact; the message names it."""


def write(path: Path, text: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put an artifact at `path`, in place of an older one: safetensors, with the text, as JSON, in its header."""
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    said = json.dumps(text, allow_nan=False)
    # One entry: several are written in an order that differs from process to process, and the bytes with it.
    replace(path, save(whole, {ENTRY: json.dumps({"text": said, "digest": digest(said, whole)})}))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The text and the tensors, nothing in which is executed. Raises `Damaged`, FileNotFoundError without a file."""
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    if not path.is_file():
        raise Damaged(f"{path} is no plain file")  # a pipe would be waited for
    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})[ENTRY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        said, text = known["digest"], json.loads(known["text"])
    except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise Damaged(
            f"{path} is not whole, or not written by this version ({type(error).__name__})"
        ) from error
    if not isinstance(text, dict) or said != digest(known["text"], tensors):
        raise Damaged(f"{path} is damaged: its digest is not the one that was written down")
    return text, tensors


@contextmanager
def taken(path: Path) -> Iterator[None]:
    """Around the making of what an artifact at `path` holds, whose digest is right but whose content anyone may have
    written: any way in which it does not go together is raised as `Damaged`."""
    try:
        yield
    except Damaged:
        raise
    except (
        *(LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError),
        *(RuntimeError, MemoryError),
    ) as error:
        why = plain.cleaned(" ".join(str(error).split()), 300)
        raise Damaged(f"{path} holds what does not go together: {type(error).__name__}: {why}") from error


def digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a text and of tensors on the CPU, by name."""
    found = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        found.update(f"\n{name} {value.dtype} {[*value.shape]}\n".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return found.hexdigest()
