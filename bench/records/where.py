"""On which device a cell was worked on: its network, its rows and its scores may each be of another machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tabstep.records.record import Record


def named(env: Mapping[str, Any]) -> str | None:
    """The device that an environment tells of: `cpu`, or the name of the GPU; None where it tells of none."""
    device, gpu = env.get("device"), env.get("gpu")
    if not isinstance(device, str):
        return None
    return gpu if device.startswith("cuda") and isinstance(gpu, str) else device


def processor(env: Mapping[str, Any]) -> str:
    """The processor that an environment tells of, with its kind where that is known: one name may have many."""
    name, kind = env.get("cpu") or "unknown processor", env.get("cpu_kind")
    return f"{name} ({kind})" if kind else str(name)


def slug(device: str) -> str:
    """The name of a device as part of a path."""
    return re.sub(r"[^A-Za-z0-9]+", "-", device).strip("-")


def drew(record: Record) -> str | None:
    """The device that drew the rows, of which `prepare_s` and `sample_s` are; they may be scored on another."""
    env = _part(record, "drawn").get("env")
    return named(env if isinstance(env, dict) else record.env)


def trained(record: Record) -> str | None:
    """The device that trained the network, of which `fit_s` is; where that is not said, the one that drew."""
    on = _part(record, "fitted").get("on")
    return on if isinstance(on, str) else drew(record)


def _part(record: Record, name: str) -> dict[str, Any]:
    found = record.settings.get(name)
    return found if isinstance(found, dict) else {}
