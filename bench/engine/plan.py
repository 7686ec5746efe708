"""From a narrowed suite to jobs: every dataset is loaded once and every cell is laid out with its keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tabstep import published
from tabstep.baselines.holdout import halves
from tabstep.contracts import Unsupported
from tabstep.data import cards
from tabstep.data.sources import Unreachable
from tabstep.engine import tuned
from tabstep.engine.job import Evaluator, Job, Source
from tabstep.engine.keys import with_keys
from tabstep.metrics import evaluators
from tabstep.records.store import Cell
from tabstep.samplers import space
from tabstep.suite import Entry, Pairs, Suite


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
            if suite.rows == "published":
                base = replace(base, rows=published.tabddpm(source.name).rows)
            asked = [name for name in evaluators.NAMES if name in suite.metrics]
            base = replace(
                base,
                evaluator=tuned.evaluator(suite.evaluator, dataset, tuned_in),
                beside={name: tuned.beside(name, suite.evaluator, dataset, tuned_in) for name in asked},
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
            if reason is None and template.hands_out_fresh_rows:
                try:
                    template = replace(template, rows=min(template.rows, len(halves(dataset)[0])))
                except Unsupported as error:
                    skipped.append((with_keys(template), str(error)))
                    continue
            if isinstance(suite.rows, int):
                template = replace(template, rows=min(template.rows, suite.rows))
            pairs = entry.samplers or suite.samplers
            cells = [with_keys(job) for job in _cells(template, suite, pairs, train_seeds, tuned_in)]
            if reason is None:
                jobs += cells
            else:
                skipped += [(job, reason) for job in cells]
    return Plan(suite, tuple(jobs), tuple(skipped))


def _configured(base: Job, entry: Entry, tuned_in: Path | None) -> Job:
    cell = replace(base.cell, method=entry.method, params=entry.params)
    base = replace(base, code=entry.code)
    if entry.params == "published":
        if entry.method != "tabddpm":
            raise Unsupported(f"no published settings of {entry.method} are kept, only of tabddpm")
        known = published.tabddpm(cell.dataset)
        return replace(base, cell=cell, settings=known.settings, rows=known.rows)
    if entry.code is not None and entry.params == "tuned":
        raise Unsupported(
            f"{entry.method} is from outside and runs at its defaults; nothing was tuned for it"
        )
    if entry.params == "tuned":
        found = tuned.settings(base, entry.method, tuned_in)
        rows = round(base.rows * 2.0 ** found["log2_rows"])
        return replace(base, cell=cell, settings=found["settings"], rows=rows)
    return replace(base, cell=cell, settings=dict(entry.settings))


def _cells(
    job: Job, suite: Suite, pairs: Pairs, train_seeds: tuple[int, ...], tuned_in: Path | None
) -> Iterable[Job]:
    for train_seed in train_seeds:
        for sample_seed in range(suite.sample_seeds_of.get(job.cell.dataset, suite.sample_seeds)):
            cell = replace(job.cell, train_seed=train_seed, sample_seed=sample_seed)
            T = job.last
            if T is None:
                yield replace(job, cell=cell)
                continue
            first = dict(reversed((*pairs, *suite.full)))  # the first grid of each sampler
            asked = [
                (pair, T if s == "T" else s)
                for pair in pairs
                for s in suite.steps_of.get(pair[0], suite.steps)
            ]
            for (sampler, grid), steps in dict.fromkeys([*asked, *((pair, T) for pair in suite.full)]):
                if sampler == space.TUNED:
                    yield tuned.with_sampler(replace(job, cell=cell), steps, tuned_in)
                elif steps < T or first[sampler] == grid:
                    yield replace(
                        job,
                        cell=replace(cell, sampler=sampler, grid=grid, steps=steps),
                        sampler_code=suite.sampler_codes.get(sampler),
                        grid_code=suite.grid_codes.get(grid),
                    )
