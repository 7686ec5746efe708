"""The schema of records: the type and the range of every field, in one place for writing, reading and taking in.

A rule says what is wrong with a value, or nothing. What relates fields to each other stands in `cell` and `record`.
"""

from __future__ import annotations

import functools
import math
import re
import types
import typing
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, Literal, get_args, get_origin

from tabstep.data import plain
from tabstep.metrics import facts

MOST_TEXT = 2000  # characters of one text
MOST_NAME = 80  # of a part of a cell: its path is one that every file system takes
MOST_SEED = 2**32 - 1  # the largest that the libraries take
MOST_STEPS = 10**6
MOST_COST = 1e12  # seconds, evaluations a row and rows alike: beyond what anyone pays
MOST_SEEDS = 10_000
MOST_SCORES = 1000
ROUNDING = 1e-9  # by which a score that is computed may leave its range
UNKNOWN = 1e15  # the range of a score that no metric of ours makes

Rule = Callable[[Any], str | None]

_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*")  # no separator, no leading dot: it stays in its folder
_SCORE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


def name(value: Any) -> str | None:
    """Of a part of a cell, which becomes a part of a path."""
    if value is None:
        return None
    if not _NAME.fullmatch(value):
        return "letters, digits and . _ + - and not start with a dot"
    return None if len(value) <= MOST_NAME else f"at most {MOST_NAME} characters long"


def text(value: Any) -> str | None:
    """Of a text that is shown: nothing in it acts."""
    if value is None:
        return None
    if len(value) > MOST_TEXT:
        return f"at most {MOST_TEXT} characters long"
    return "without control characters" if plain.acting(value) else None


def values(value: Any) -> str | None:
    """Of settings and of an environment: plain JSON values, their texts as others."""
    try:
        plain.check(value)
    except plain.NotPlain as error:
        return f"plain JSON values: {error}"
    return _texts(value)


def _texts(value: Any) -> str | None:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return next(filter(None, map(_texts, chain(value, value.values()))), None)
    return next(filter(None, map(_texts, value)), None) if isinstance(value, list) else None


def whole(low: int, high: int) -> Rule:
    """Of a whole number."""
    return lambda value: None if value is None or low <= value <= high else f"in {low} .. {high}"


def cost(value: Any) -> str | None:
    """Of what was paid."""
    fits = value is None or 0 <= value <= MOST_COST  # NaN is in no range
    return None if fits else f"finite and not negative, at most {MOST_COST:g}"


def log(value: Any) -> str | None:
    """Of the path of a log file."""
    if value is None:
        return None
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value:
        return "a path below the folder of the run"
    return text(value)


def seed(value: Any) -> str | None:
    """Of one seed."""
    return None if 0 <= value <= MOST_SEED else f"in 0 .. {MOST_SEED}, as all seeds"


def seeds(value: Any) -> str | None:
    """Of evaluator seeds."""
    if len(set(value)) != len(value) or len(value) > MOST_SEEDS:
        return f"at most {MOST_SEEDS} that differ"
    return next(filter(None, map(seed, value)), None)


def moment(value: Any) -> str | None:
    """Of a time."""
    try:
        utc = len(value) <= 40 and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    except ValueError:
        utc = False
    return None if utc else "a time in UTC, as 2026-01-31T12:00:00Z"


def scores(value: Any) -> str | None:
    """Of scores: names that are known or well formed, and finite values."""
    if len(value) > MOST_SCORES:
        return f"at most {MOST_SCORES}"
    for metric, numbers in value.items():
        if not _SCORE.fullmatch(metric):
            return f"named by letters, digits and _, got {plain.shown(metric)}"
        for number in numbers:
            if not math.isfinite(number):
                return f"finite, {metric} has {number}"
    return None


def check_ranges(found: Mapping[str, list[float]]) -> None:
    """Raise ValueError for a score outside the range of its metric: of every file, in and out."""
    for metric, numbers in found.items():
        low, high = _range(metric)
        for number in numbers:
            if not low - ROUNDING <= number <= high + ROUNDING:
                raise ValueError(f"{metric} is {number:g}, which must lie in {low:g} .. {high:g}")


@functools.cache
def _range(metric: str) -> tuple[float, float]:
    known = facts.known(metric)
    return (-UNKNOWN, UNKNOWN) if known is None else (known.low, known.high)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("suite", "dataset", "method", "params", "sampler", "grid"), name),
    "steps": whole(1, MOST_STEPS),
    **dict.fromkeys(("train_seed", "sample_seed"), seed),
    **dict.fromkeys(("reason", "key", "dataset_digest"), text),
    "traceback": log,
    **dict.fromkeys(("settings", "env"), values),
    **dict.fromkeys(("rows", "nfe", "fit_s", "prepare_s", "sample_s"), cost),
    "peak_bytes": whole(0, plain.WHOLE),
    "scores": scores,
    "eval_seeds": seeds,
    "created": moment,
}
"""By field of a cell or of a record; a field that is not here has no rule beyond its type."""


def check(instance: Any) -> None:
    """Hold every field of a cell or of a record against its type and its rule.

    Raises TypeError and ValueError that name the field, what it must be and what was found.
    """
    kind: type = type(instance)
    for field, hint in _hints(kind).items():
        value = getattr(instance, field)
        if not _fitting(hint)(value):
            expected = getattr(hint, "__name__", None) if isinstance(hint, type) else str(hint)
            raise TypeError(f"{field} must be {expected}, got {plain.shown(value)}")
        wanted = RULES[field](value) if field in RULES else None
        if wanted is not None:
            raise ValueError(f"{field} must be {wanted}, got {plain.shown(value)}")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Found once: it compiles every annotation, which was most of the time that reading 10,000 records took."""
    return typing.get_type_hints(kind)


@functools.cache
def _fitting(hint: Any) -> Callable[[Any], bool]:
    """What says whether a value is of the type `hint`: classes, unions, literals, and the items of list and dict."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: True
    if origin in (types.UnionType, typing.Union):
        options = [_fitting(option) for option in arguments]
        return lambda value: any(fits(value) for fits in options)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is list:
        item = _fitting(arguments[0])
        return lambda value: isinstance(value, list) and all(map(item, value))
    if origin is dict:
        key, item = map(_fitting, arguments)
        return lambda value: (
            isinstance(value, dict) and all(map(key, value)) and all(map(item, value.values()))
        )
    if hint in (int, float):  # a whole number is a float too, True is neither
        numbers = int if hint is int else (int, float)
        return lambda value: isinstance(value, numbers) and not isinstance(value, bool)
    return lambda value: isinstance(value, hint)


RESERVED = (
    *("here", "tabstep", "us", "ours", "own", "self", "self-reported", "local", "official", "verified"),
    *("all", "any", "none", "null", "reference", "published", "submissions", "runs", "admin"),
    *("con", "prn", "aux", "nul"),  # which no folder may be called everywhere
)
"""Names that mean something where a submission's is shown: none may have one of them, or one that looks like it."""

_ALIKE = str.maketrans("01345789|!$@", "oieastbgiisa")


def reserved(submitter: str) -> str | None:
    """The reserved name that a submission's looks like, whatever its case, letters, digits or marks; None if none."""
    return _SKELETONS.get(_skeleton(submitter))


def _skeleton(submitter: str) -> str:
    folded = (
        unicodedata.normalize("NFKD", submitter).casefold().translate(_CYRILLIC_AND_GREEK).translate(_ALIKE)
    )
    return "".join(c for c in folded if c.isalnum()).replace("l", "i").replace("rn", "m").replace("vv", "w")


_CYRILLIC_AND_GREEK = str.maketrans("аеорсухнкмтіѕԁһոеοεαιηρτυν", "aeopcyxhkmtisdhneoeainptuv")
_SKELETONS = {_skeleton(each): each for each in RESERVED}
