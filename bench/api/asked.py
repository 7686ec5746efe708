"""What a user asks for: whole numbers, names and devices, checked before anything is computed."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from tabstep.data.cards import suggest
from tabstep.data.wishes import named

Named = TypeVar("Named")
MOST_LISTED = 20  # names in an error
SEEDS = 2**63 - 1


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number in low..high; a float without a fraction is one. Raises ValueError that begins with `name`."""
    plain = (
        value.item()
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)
        else value
    )
    fits = isinstance(plain, numbers.Real) and not isinstance(plain, bool) and float(plain).is_integer()
    bounds = f"in {low}..{high}" if high is not None else f"at least {low}"
    if not fits or plain < low or (high is not None and plain > high):
        raise ValueError(
            f"{name} must be {bounds}, got {value!r}" + ("" if fits else "; it is a whole number")
        )
    return int(plain)


def positive(name: str, value: Any) -> float:
    """A finite number above 0. Raises ValueError that begins with `name`."""
    fits = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not fits or not 0 < float(value) < float("inf"):
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return float(value)


def seed(value: Any) -> int:
    """A seed. Raises ValueError."""
    return whole("seed", value, 0, SEEDS)


def one_of(what: str, name: Any, known: Mapping[str, Named]) -> Named:
    """What is called `name`. Raises ValueError with the choices, the nearest first."""
    if not isinstance(name, str) or name not in known:
        near = suggest(name, tuple(known)) if isinstance(name, str) else ""
        hint = f"; {near}" if near.startswith("did") else ""
        if len(known) > MOST_LISTED:
            some = f", such as {', '.join([*known][:3])}" if not hint else ""
            raise ValueError(
                f"{what} must be one of the {len(known)} of `tabstep list {what}s`{some}, got {name!r}{hint}"
            )
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {name!r}{hint}")
    return known[name]


def device(name: Any) -> str:
    """A device of torch that is there; "auto" is the first GPU, or the CPU where there is none. Raises ValueError."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(f"device must be cpu, cuda or auto, got {name!r}") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {str(name)!r}: no CUDA device is available here; use cpu or auto")
    return str(name)


def columns(what: str, given: Any, known: Sequence[str], ids: Collection[str] = ()) -> tuple[str, ...]:
    """Names of columns, one or several. Raises ValueError for one that there is not, and for one of `ids`."""
    found = named(given, [*known, *ids])
    for name in found:
        _check_learned(what, name, ids)
        if name not in known:
            raise ValueError(f"{what}: no column {name!r}; {suggest(str(name), list(known))}")
    return found


def one_column(what: str, name: Any, known: Mapping[str, Named], ids: Collection[str] = ()) -> Named:
    """The column of exactly this name. Raises ValueError for one that there is not, and for one of `ids`."""
    _check_learned(what, name, ids)
    if not isinstance(name, str):
        raise ValueError(f"{what} must name a column, got {name!r}")
    if name not in known:
        raise ValueError(f"{what}: no column {name!r}; {suggest(str(name), list(known))}")
    return known[name]


def _check_learned(what: str, name: Any, ids: Collection[str]) -> None:
    if isinstance(name, str) and name in ids:
        raise ValueError(f"{what}: {name!r} names rows, and new names are made: nothing is learned of it")


def frame(what: str, rows: Any) -> pd.DataFrame:
    """A user's frame with rows numbered from 0. Raises ValueError for what is none, and for repeated names."""
    if not isinstance(rows, pd.DataFrame):
        raise ValueError(f"{what} must be a DataFrame, got {type(rows).__name__}")
    repeated = sorted({str(c) for c in rows.columns[rows.columns.duplicated()]})
    if repeated:
        raise ValueError(f"{what}: column names repeat: {', '.join(repeated)}; rename them")
    return rows.reset_index(drop=True)


def values(name: str, given: Any, n: int) -> Any:
    """n values (a Series numbered from 0) of one value or a sequence of n, taken by place whatever index it has.

    Raises ValueError that names the column.
    """
    if isinstance(given, pd.Series):
        given = given.reset_index(drop=True)
    elif isinstance(given, np.ndarray) and given.ndim == 0:
        given = given.item()
    if isinstance(given, dict | set | frozenset | pd.DataFrame) or (
        isinstance(given, np.ndarray) and given.ndim > 1
    ):
        raise ValueError(
            f"changes: {name!r} must be one value or a sequence of {n}, got a {type(given).__name__}"
        )
    if not pd.api.types.is_list_like(given):
        return pd.Series([given] * n, dtype=object)
    if not isinstance(given, pd.Series):
        typed = isinstance(given, np.ndarray | pd.Index | pd.api.extensions.ExtensionArray)
        given = pd.Series(given) if typed else pd.Series(list(given), dtype=object)
        given = given.reset_index(drop=True)
    if len(given) != n:
        raise ValueError(f"changes: {name!r} has {len(given)} values for {n} rows")
    return given
