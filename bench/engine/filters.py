"""What a user narrows a suite to: every name is checked here, before any work starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Literal, cast, get_args

from tabstep import external
from tabstep.data import cards
from tabstep.external import Code
from tabstep.registry import GRIDS, METHODS, SAMPLERS, UNTUNED
from tabstep.samplers import space
from tabstep.suite import Entry, Metric, Pairs, Params, Steps, Suite
from tabstep.suites import SHORT, SUITES


class Refused(ValueError):
    """A request that cannot be run as asked; the message names the value and the choices."""


@dataclass(frozen=True)
class Filters:
    """What the user narrows a suite to; empty means all of it."""

    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    samplers: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    steps: tuple[Steps, ...] = ()
    seeds: tuple[int, ...] = ()
    metrics: tuple[str, ...] = ()  # beside those of the suite
    params: str | None = None  # one of `Params`, or what the suite itself calls settings of its own
    fit_seconds: float | None = None


def choose(what: str, name: str, known: Iterable[str]) -> str:
    """The name itself. Raises `Refused` with the nearest known names."""
    options = sorted(known)
    if name not in options:
        raise Refused(f"unknown {what} {name!r}; {cards.suggest(name, options)}")
    return name


def suite_named(name: str) -> Suite:
    """The suite of this name. Raises `Refused`."""
    return SUITES[choose("suite", name, SUITES)]


def narrow(suite: Suite, filters: Filters) -> Suite:
    """Apply the filters. A dataset, sampler or step budget outside the suite is added; a method at its defaults."""
    known_datasets = {*cards.names(), *suite.datasets}
    datasets = _distinct(choose("dataset", d, known_datasets) for d in filters.datasets) or suite.datasets
    entries = suite.entries
    if filters.methods:
        entries = tuple(e for m in _distinct(filters.methods) for e in _entries(m, suite))
    if filters.params is not None:
        chosen = choose("params", filters.params, {*get_args(Params), *(e.params for e in entries)})
        if chosen in get_args(Params):
            entries = _distinct_entries(_with_params(e, chosen) for e in entries)
        else:
            entries = tuple(e for e in entries if e.params == chosen)
    if filters.fit_seconds is not None:
        entries = _timed(entries, filters.fit_seconds)
    walkers = _outside("sampler", filters.samplers)
    paths = _outside("grid", filters.grids)
    wanted = _distinct(_name("sampler", text, walkers) for text in filters.samplers)
    grids = _distinct(_name("grid", text, paths) for text in filters.grids)
    sampler_codes, grid_codes = ({code.name: code for code in found.values()} for found in (walkers, paths))
    if grids and space.TUNED in wanted:
        raise Refused("the grid of a tuned sampler was tuned with it; leave out --grid or --sampler tuned")
    own_grid = {s: _own_grid(s, sampler_codes) for s in wanted}
    samplers = _pairs(suite.samplers, own_grid, grids)
    entries = tuple(
        replace(e, samplers=_pairs(e.samplers, own_grid, grids)) if e.samplers else e for e in entries
    )
    steps = filters.steps or suite.steps
    bad = [s for s in steps if s != "T" and (not isinstance(s, int) or s < 1)]
    if bad:
        raise Refused(f"steps must be positive integers or T, got {bad[0]!r}")
    full = tuple(
        p for p in suite.full if (not wanted or p[0] in wanted) and (not filters.steps or "T" in steps)
    )
    if any(seed < 0 for seed in filters.seeds):
        raise Refused(f"seeds must not be negative, got {min(filters.seeds)}")
    asked = [cast("Metric", choose("metric", m, get_args(Metric))) for m in filters.metrics]
    # In one order, whatever the user's: the same scores are the same cell.
    metrics = tuple(dict.fromkeys((*suite.metrics, *(m for m in get_args(Metric) if m in asked))))
    return replace(
        suite,
        datasets=datasets,
        entries=entries,
        samplers=samplers,
        full=full,
        steps=steps,
        steps_of={} if filters.steps else suite.steps_of,
        metrics=metrics,
        sampler_codes=sampler_codes,
        grid_codes=grid_codes,
    )


def _entries(method: str, suite: Suite) -> list[Entry]:
    """How the suite runs a method, or the method at its defaults; one from outside is known by `external.FORM`."""
    if method not in METHODS and (_from_outside(method) or method in external.installed()):
        code = external.find(method)
        name = method if method in external.installed() else code.name
        if name in METHODS:
            raise Refused(f"there is a method {name!r} already; give the class of {method} another name")
        return [Entry(name, code=code)]
    chosen = choose("method", method, {*METHODS, *external.installed()})
    return [e for e in suite.entries if e.method == chosen] or [Entry(chosen)]


def _from_outside(text: str) -> bool:
    return ":" in text or text.endswith(".py")


def _outside(what: Literal["sampler", "grid"], texts: Iterable[str]) -> dict[str, Code]:
    """Those from outside, by the text that means them. Raises `Refused`, and `external.NotLoaded`."""
    found: dict[str, Code] = {}
    for text in filter(_from_outside, texts):
        code = external.find(text, "grid" if what == "grid" else "prepare")
        if code.name in _known(what):
            raise Refused(f"there is a {what} {code.name!r} already; give that of {text} another name")
        if any(other.name == code.name and other != code for other in found.values()):
            raise Refused(f"two of your own are called {code.name!r}; give one of them another name")
        found[text] = code
    return found


def _name(what: Literal["sampler", "grid"], text: str, outside: Mapping[str, Code]) -> str:
    return outside[text].name if text in outside else choose(what, text, _known(what))


def _known(what: Literal["sampler", "grid"]) -> set[str]:
    return {*GRIDS} if what == "grid" else {*SAMPLERS, space.TUNED}


def _pairs(pairs: Pairs, samplers: Mapping[str, str], grids: tuple[str, ...]) -> Pairs:
    """Those of the wanted samplers, on their own grid where the suite has none; on the wanted grids instead.

    samplers  each with its own grid
    """
    if samplers:
        pairs = tuple(
            pair for s, own in samplers.items() for pair in [p for p in pairs if p[0] == s] or [(s, own)]
        )
    if grids:
        pairs = tuple((s, g) for s in _distinct(s for s, _ in pairs) for g in grids)
    return pairs


def _own_grid(sampler: str, codes: Mapping[str, Code]) -> str:
    """The grid of a sampler, itself for a tuned one. Raises `Refused` for one from outside that names none."""
    if sampler == space.TUNED:
        return sampler
    if sampler not in codes:
        return SAMPLERS[sampler].grid
    own = codes[sampler].grid
    if own is None or own not in GRIDS:
        raise Refused(
            f"{codes[sampler].shown} needs a class variable `grid` with the name of the grid that it walks; "
            f"{cards.suggest(str(own), sorted(GRIDS))}"
        )
    return own


def _with_params(entry: Entry, params: str) -> Entry:
    """The entry under other settings, where it has such."""
    if params == "tuned" and entry.method in UNTUNED:
        return entry
    if params in ("fast", "published") and entry.method != "tabddpm":
        return entry
    if params == "fast":
        return replace(entry, params=params, settings=SHORT)
    return replace(entry, params=params, settings={})


def _timed(entries: tuple[Entry, ...], seconds: float) -> tuple[Entry, ...]:
    """The entries, those that can end by the clock under a label that says so. Raises `Refused` where none can."""
    can = {e.method for e in entries if e.method in METHODS and "seconds" in _fields(e.method)}
    if not can:
        able = ", ".join(name for name in METHODS if "seconds" in _fields(name))
        raise Refused(
            f"--fit-seconds is for methods that can end by the clock: {able}; name one with --method"
        )
    return tuple(
        replace(e, params=f"{seconds:g}s", settings={**e.settings, "seconds": seconds})
        if e.method in can
        else e
        for e in entries
    )


def _fields(method: str) -> set[str]:
    kind = METHODS[method]
    return {field.name for field in fields(kind)} if is_dataclass(kind) else set()


def _distinct_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple({(e.method, e.params): e for e in entries}.values())


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """In order, each once: a cell that is asked for twice is still one cell."""
    return tuple(dict.fromkeys(names))
