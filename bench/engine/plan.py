"""From a suite and the user's filters to jobs: everything is checked here, before any work starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from tabstep import external, published
from tabstep.contracts import Unsupported
from tabstep.data import cards
from tabstep.data.cards import DataError
from tabstep.data.sources import Unreachable
from tabstep.data.table import Dataset
from tabstep.engine.job import DRAW_VERSION, FIT_VERSION, Evaluator, Job, Source
from tabstep.metrics import efficacy, evaluators, likelihood, rows
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.metrics.efficacy import params_of
from tabstep.metrics.mlp import MLPParams
from tabstep.metrics.xgboost_trees import XGBoostParams
from tabstep.records.store import Cell
from tabstep.registry import GRIDS, METHODS, SAMPLERS, UNTUNED, make_method, walks
from tabstep.samplers import space
from tabstep.shipped import shipped
from tabstep.suites import SUITES, Entry, EvaluatorSource, Metric, Pairs, Params, Steps, Suite

TUNED = shipped("results", "tuned")


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
    params: Params | None = None


def choose(what: str, name: str, known: Iterable[str]) -> str:
    """The name itself. Raises `Refused` with the nearest known names."""
    options = sorted(known)
    if name not in options:
        raise Refused(f"unknown {what} {name!r}; {cards.suggest(name, options)}")
    return name


def narrow(suite: Suite, filters: Filters) -> Suite:
    """Apply the filters. A dataset, sampler or step budget outside the suite is added; a method at its defaults."""
    known_datasets = {*cards.names(), *suite.datasets}
    datasets = _distinct(choose("dataset", d, known_datasets) for d in filters.datasets) or suite.datasets
    entries = suite.entries
    if filters.methods:
        entries = tuple(e for m in _distinct(filters.methods) for e in _entries(m, suite))
    if filters.params is not None:
        chosen = choose("params", filters.params, get_args(Params))
        entries = _distinct_entries(_with_params(e, chosen) for e in entries)
    wanted = _distinct(choose("sampler", s, {*SAMPLERS, space.TUNED}) for s in filters.samplers)
    grids = _distinct(choose("grid", g, GRIDS) for g in filters.grids)
    if grids and space.TUNED in wanted:
        raise Refused("the grid of a tuned sampler was tuned with it; leave out --grid or --sampler tuned")
    samplers = _pairs(suite.samplers, wanted, grids)
    entries = tuple(
        replace(e, samplers=_pairs(e.samplers, wanted, grids)) if e.samplers else e for e in entries
    )
    steps = filters.steps or suite.steps
    bad = [s for s in steps if s != "T" and (not isinstance(s, int) or s < 1)]
    if bad:
        raise Refused(f"steps must be positive integers or T, got {bad[0]!r}")
    if any(seed < 0 for seed in filters.seeds):
        raise Refused(f"seeds must not be negative, got {min(filters.seeds)}")
    asked = [cast("Metric", choose("metric", m, get_args(Metric))) for m in filters.metrics]
    # In one order, whatever the user's: the same scores are the same cell.
    metrics = tuple(dict.fromkeys((*suite.metrics, *(m for m in get_args(Metric) if m in asked))))
    return replace(suite, datasets=datasets, entries=entries, samplers=samplers, steps=steps, metrics=metrics)


def _entries(method: str, suite: Suite) -> list[Entry]:
    """How the suite runs a method, or the method at its defaults; one from outside is known by `external.FORM`."""
    if method not in METHODS and (":" in method or method.endswith(".py") or method in external.installed()):
        code = external.find(method)
        name = method if method in external.installed() else code.name
        if name in METHODS:
            raise Refused(f"there is a method {name!r} already; give the class of {method} another name")
        return [Entry(name, code=code)]
    chosen = choose("method", method, {*METHODS, *external.installed()})
    return [e for e in suite.entries if e.method == chosen] or [Entry(chosen)]


def _pairs(pairs: Pairs, samplers: tuple[str, ...], grids: tuple[str, ...]) -> Pairs:
    """Those of the wanted samplers, on their own grid where the suite has none; on the wanted grids instead."""
    if samplers:
        pairs = tuple(
            pair for s in samplers for pair in [p for p in pairs if p[0] == s] or [(s, _own_grid(s))]
        )
    if grids:
        pairs = tuple((s, g) for s in _distinct(s for s, _ in pairs) for g in grids)
    return pairs


def _own_grid(sampler: str) -> str:
    return sampler if sampler == space.TUNED else SAMPLERS[sampler].grid


def _with_params(entry: Entry, params: str) -> Entry:
    """The entry under other settings, where it has such."""
    if params == "tuned" and entry.method in UNTUNED:
        return entry
    if params == "published" and entry.method != "tabddpm":
        return entry
    return replace(entry, params=params, settings={})


def _distinct_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple({(e.method, e.params): e for e in entries}.values())


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """In order, each once: a cell that is asked for twice is still one cell."""
    return tuple(dict.fromkeys(names))


def suite_named(name: str) -> Suite:
    """The suite of this name. Raises `Refused`."""
    return SUITES[choose("suite", name, SUITES)]


@dataclass(frozen=True)
class Plan:
    """Jobs that can run, and jobs that cannot, each with its reason."""

    suite: Suite
    jobs: tuple[Job, ...]
    skipped: tuple[tuple[Job, str], ...]


def plan(
    suite: Suite,
    sources: Sequence[Source],
    *,
    seeds: tuple[int, ...] = (),
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
    tuned_in: Path | None = None,
) -> Plan:
    """Load every dataset once (its digest enters the keys) and lay out all cells.

    tuned_in  a folder with what was tuned, to be looked at before the one that comes with the project

    A dataset that cannot be reached, or that the suite has no evaluator for, gives skipped cells.
    Raises DataError when bytes differ from what a card says.
    """
    jobs: list[Job] = []
    skipped: list[tuple[Job, str]] = []
    train_seeds = tuple(dict.fromkeys(seeds)) or tuple(range(suite.train_seeds))
    for source in sources:
        base = Job(
            cell=Cell(suite.name, source.name, "real", "default", None, None, None, 0, 0),
            source=source,
            settings={},
            rows=0,
            evaluator=Evaluator(suite.evaluator, {}),
            eval_seeds=tuple(range(suite.eval_seeds)),
            task="regression",  # replaced below, by the data or by the card
            dataset_digest="",
            fit_key="",
            draw_key="",
            key="",
            device=device,
            threads=threads,
            workers=workers,
            metrics=suite.metrics,
        )
        reason = None
        try:
            dataset = source.load()
            base = replace(
                base, task=dataset.schema.task, rows=len(dataset.train), dataset_digest=dataset.digest
            )
            asked = [name for name in evaluators.NAMES if name in suite.metrics]
            base = replace(
                base,
                evaluator=evaluator(suite.evaluator, dataset, tuned_in),
                beside={name: _beside(name, suite.evaluator, dataset, tuned_in) for name in asked},
            )
        except (Unreachable, Unsupported) as error:
            reason = str(error)
            if not base.dataset_digest:
                base = replace(base, task=cards.find(source.name).task)
        for entry in suite.entries:
            try:
                template = _configured(base, entry, tuned_in)
            except Unsupported as error:
                cell = replace(base.cell, method=entry.method, params=entry.params)
                skipped.append((with_keys(replace(base, cell=cell)), str(error)))
                continue
            if suite.rows is not None:
                template = replace(template, rows=min(template.rows, suite.rows))
            pairs = entry.samplers or suite.samplers
            cells = [with_keys(job) for job in _cells(template, suite, pairs, train_seeds, tuned_in)]
            if reason is None:
                jobs += cells
            else:
                skipped += [(job, reason) for job in cells]
    return Plan(suite, tuple(jobs), tuple(skipped))


def evaluator(source: EvaluatorSource, dataset: Dataset, tuned_in: Path | None = None) -> Evaluator:
    """CatBoost's parameters. Raises `Unsupported` where there are none, DataError where they are of other data."""
    if source == "default":
        return Evaluator(source, asdict(CatBoostParams.default()))
    if source == "fast":
        return Evaluator(source, asdict(CatBoostParams.fast()))
    if source == "published":
        return Evaluator(source, asdict(published.catboost(dataset.name)))
    known = _tuned("catboost", dataset, tuned_in)
    if known is None:
        raise Unsupported(f"no tuned evaluator: results/tuned/{dataset.name}/catboost.json does not exist")
    return Evaluator(source, asdict(CatBoostParams.of(known)))


def _beside(name: str, source: EvaluatorSource, dataset: Dataset, tuned_in: Path | None) -> Evaluator:
    """An evaluator beside CatBoost. Only XGBoost has parameters to tune; what is not tuned is at its defaults."""
    if name == "simple":
        return Evaluator("fixed", {})
    if name == "mlp":
        return Evaluator("fixed", asdict(MLPParams()))
    if source == "fast":
        return Evaluator(source, asdict(XGBoostParams.fast()))
    known = _tuned(name, dataset, tuned_in) if source == "tuned" else None
    if known is None:
        return Evaluator("default", asdict(XGBoostParams.default()))
    return Evaluator(source, asdict(params_of(XGBoostParams, known)))


def _place(tuned_in: Path | None, dataset: str, name: str) -> Path:
    """Of what was tuned, in the user's folder if it is there, else in the project's."""
    own = None if tuned_in is None else tuned_in / dataset / name
    return own if own is not None and own.exists() else TUNED / dataset / name


def _tuned(evaluator: str, dataset: Dataset, tuned_in: Path | None) -> dict[str, Any] | None:
    path = _place(tuned_in, dataset.name, f"{evaluator}.json")
    if not path.exists():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["digest"] != dataset.digest:
        raise DataError(
            f"results/tuned/{dataset.name}/{evaluator}.json was tuned on data {stored['digest'][:12]}, "
            f"found {dataset.digest[:12]}; tune again"
        )
    params: dict[str, Any] = stored["params"]
    return params


def _configured(base: Job, entry: Entry, tuned_in: Path | None) -> Job:
    cell = replace(base.cell, method=entry.method, params=entry.params)
    base = replace(base, code=entry.code)
    if entry.params == "published":
        if entry.method != "tabddpm":
            raise Unsupported(f"no published settings of {entry.method} are kept, only of tabddpm")
        known = published.tabddpm(cell.dataset)
        return replace(base, cell=cell, settings=known.settings, rows=known.rows)
    if entry.params == "tuned":
        found = tuned(base, entry.method, tuned_in)
        rows = round(base.rows * 2.0 ** found["log2_rows"])
        kind = replace(base, cell=cell).kind
        settings = asdict(make_method(kind, found["settings"]))  # type: ignore[call-overload]
        return replace(base, cell=cell, settings=settings, rows=rows)
    return replace(base, cell=cell, settings=dict(entry.settings))


def tuned(base: Job, method: str, tuned_in: Path | None = None) -> dict[str, Any]:
    """What `tabstep tune` found for this method and data. Raises `Refused` where it did not, or on other data."""
    dataset = base.cell.dataset
    path = _place(tuned_in, dataset, f"{method}.json")
    again = f"run `tabstep tune {method} --dataset {dataset}` first"
    if not path.exists():
        raise Refused(f"no tuned settings: results/tuned/{dataset}/{method}.json does not exist; {again}")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if base.dataset_digest and found["digest"] != base.dataset_digest:
        raise Refused(
            f"results/tuned/{dataset}/{method}.json was tuned on data {found['digest'][:12]}, "
            f"found {base.dataset_digest[:12]}; {again}"
        )
    return found


def _cells(
    job: Job, suite: Suite, pairs: Pairs, train_seeds: tuple[int, ...], tuned_in: Path | None
) -> Iterable[Job]:
    for train_seed in train_seeds:
        for sample_seed in range(suite.sample_seeds):
            cell = replace(job.cell, train_seed=train_seed, sample_seed=sample_seed)
            if not walks(job.kind):
                yield replace(job, cell=cell)
                continue
            T = job.method.last  # type: ignore[attr-defined]
            first = dict(reversed(pairs))  # the first grid of each sampler
            for sampler, grid in pairs:
                for steps in dict.fromkeys(T if s == "T" else s for s in suite.steps):
                    if sampler == space.TUNED:
                        yield _with_tuned_sampler(replace(job, cell=cell), steps, tuned_in)
                    elif steps < T or first[sampler] == grid:
                        yield replace(job, cell=replace(cell, sampler=sampler, grid=grid, steps=steps))


def _with_tuned_sampler(job: Job, steps: int, tuned_in: Path | None) -> Job:
    """The cell of the sampler that `tabstep tune-sampler` found. Raises `Refused` where it did not for this model."""
    cell = job.cell
    name = f"{space.file_name(cell.method, cell.params, steps)}.json"
    path = _place(tuned_in, cell.dataset, name)
    again = (
        f"run `tabstep tune-sampler {cell.suite} --dataset {cell.dataset} --method {cell.method} "
        f"--steps {steps}` first"
    )
    if not path.exists():
        raise Refused(f"no tuned sampler: results/tuned/{cell.dataset}/{name} does not exist; {again}")
    stored = json.loads(path.read_text(encoding="utf-8"))
    # Where the data cannot be reached the cell is skipped anyway, and its model is not known.
    if job.dataset_digest and stored["fit_key"] != _fit_key(replace(job, cell=replace(cell, train_seed=0))):
        raise Refused(f"results/tuned/{cell.dataset}/{name} was tuned on another model; {again}")
    found = stored["settings"]
    cell = replace(cell, sampler=space.TUNED, grid=choose("grid", found["grid"], GRIDS), steps=steps)
    return replace(job, cell=cell, tuned=found)


def _fit_key(job: Job) -> str:
    return _hash(
        {
            "version": FIT_VERSION,
            "dataset": job.dataset_digest,
            "method": job.cell.method,
            "settings": job.describe()["method"],
            "seed": job.cell.train_seed,
            **({} if job.code is None else {"code": job.code.digest}),
        }
    )


def with_keys(job: Job) -> Job:
    """Add the content hashes. Whatever changes a number is in them; where and how fast it ran is not."""
    described = job.describe()
    fit_key = _fit_key(job)
    whole: dict[str, Any] = {
        "fit": fit_key,
        "versions": [DRAW_VERSION, efficacy.VERSION],
        "cell": asdict(job.cell),
        "described": described,
        "eval_seeds": job.eval_seeds,
    }
    if job.metrics != ("efficacy",):
        whole["metrics"] = [*job.metrics, likelihood.VERSION]
    if set(job.metrics) & set(rows.GROUPS):
        whole["rows"] = rows.VERSION
    if job.beside:
        whole["beside"] = evaluators.VERSION
    drawn = {
        "fit": fit_key,
        "version": DRAW_VERSION,
        "cell": {k: v for k, v in asdict(job.cell).items() if k != "suite"},
        "described": {k: v for k, v in described.items() if k in ("sampler", "grid", "rows")},
        "bound": likelihood.VERSION if "nelbo" in job.metrics else None,
    }
    return replace(job, fit_key=fit_key, draw_key=_hash(drawn), key=_hash(whole))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
