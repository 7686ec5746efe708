"""The command that runs suites, or a table of one's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.carrying import carry_out, make_report, summary
from tabstep.cli.options import (
    MOST_PROCESSES,
    MOST_SEED,
    Archive,
    Categorical,
    Csv,
    Datasets,
    Drop,
    Literal,
    Many,
    Mirror,
    Numeric,
    Results,
    Target,
    TaskName,
    console,
    device_named,
    own_source,
    parse_steps,
    refuse_without_csv,
    split,
    stop,
    whole,
)

if TYPE_CHECKING:
    from tabstep.engine.executors import Executor
    from tabstep.engine.job import Source


def _seeds(values: Many) -> tuple[int, ...]:
    return tuple(whole("--seed", part, low=0, most=MOST_SEED) for part in split(values))


def run(
    suite: Annotated[
        str | None, typer.Argument(help="smoke, quick (the default), paper, ...: see `tabstep list suites`.")
    ] = None,
    dataset: Datasets = None,
    method: Annotated[Many, typer.Option(help="Only these methods; mine.py:Mine is one of your own.")] = None,
    sampler: Annotated[
        Many, typer.Option(help="Only these samplers; mine.py:Euler is one of your own.")
    ] = None,
    grid: Annotated[
        Many, typer.Option(help="Timestep grids, instead of the suite's; mine.py:halves is one of your own.")
    ] = None,
    steps: Annotated[Many, typer.Option(help="Step budgets; T is all steps of the model.")] = None,
    seed: Annotated[Many, typer.Option(help="Training seeds.")] = None,
    metric: Annotated[
        Many,
        typer.Option(
            help="Score these too: validation, nelbo, fidelity, dependence, tails, coverage, detection, utility, "
            "augmentation, privacy, faults, rivals, xgboost, mlp, simple."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="Worker processes; 0 takes as many as the cores allow, or one a GPU.",
            min=0,
            max=MOST_PROCESSES,
        ),
    ] = 0,
    threads: Annotated[
        int,
        typer.Option(
            help="Threads of a worker. Rows and scores are the same for any number of workers, not of threads.",
            min=1,
            max=MOST_PROCESSES,
        ),
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    executor: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of a Ray cluster, host:port or auto; without it --executor ray starts one here."),
    ] = None,
    until: Annotated[
        str, typer.Option(help="The last stage: fit, draw or score. The first two need no evaluators.")
    ] = "score",
    from_: Annotated[
        str, typer.Option("--from", help="The first stage: what comes before must be there already.")
    ] = "fit",
    params: Annotated[
        str | None,
        typer.Option(
            help="tuned, published, fast or default settings, instead of the suite's; or those alone that the suite "
            "has under a name of its own, as authors has long."
        ),
    ] = None,
    fit_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds to train for, in place of steps, for methods that can end by the clock: tabstep.",
            min=0.1,
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that one fit or cell may take before it fails.", min=1)
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(help="GiB that a worker may take before what it works on fails.", min=0.1),
    ] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    csv: Csv = None,
    target: Target = None,
    task: TaskName = None,
    drop: Drop = None,
    numeric: Numeric = None,
    categorical: Categorical = None,
    literal: Literal = None,
    card: Annotated[Path | None, typer.Option(help="Write the inferred card of --csv to this file.")] = None,
    results: Results = Path("results"),
) -> None:
    """Fit, sample and score a suite; what is done already is not repeated.

    Examples:

      tabstep run quick --dataset diamonds-price --method tabddpm --sampler ddim --steps 5,10

      tabstep run --csv my.csv --target price

      tabstep run paper --until draw --device cuda    # on one machine, without evaluators

      tabstep run paper --from score                  # on another one, with the results folder of the first
    """
    from tabstep.data.cards import DataError
    from tabstep.engine import executors
    from tabstep.engine.filters import Filters, Refused, choose, narrow, suite_named
    from tabstep.engine.folder import Folder
    from tabstep.engine.job import STAGES, Source
    from tabstep.engine.own_names import claim
    from tabstep.engine.plan import plan

    where = device_named(device)
    # A device with a number is the one that all workers share.
    gpus = executors.gpus() if where == "cuda" and executor == "local" else ()
    count = workers or len(gpus) or max(1, (os.cpu_count() or 1) // threads)
    try:
        first, last = (STAGES.index(choose("stage", s, STAGES)) for s in (from_, until))  # type: ignore[arg-type]
        if first > last:
            stop(f"--from {from_} comes after --until {until}; the stages are {', '.join(STAGES)}")
        stages = STAGES[first : last + 1]
        choose("executor", executor, ("local", "ray"))
        if executor == "ray":
            # Other machines have other working folders.
            results = results.resolve()
            data_mirror = data_mirror and data_mirror.resolve()
        elif address is not None:
            stop("--address only with --executor ray")
        filters = Filters(
            *(split(dataset), split(method), split(sampler), split(grid), parse_steps(steps), _seeds(seed)),
            metrics=split(metric),
            fit_seconds=fit_seconds,
            params=params,
        )
        if csv is not None:
            source = own_source(
                csv,
                target,
                task,
                suite,
                dataset,
                drop=drop,
                numeric=numeric,
                categorical=categorical,
                literal=literal,
            )
            _show_own(source, card)
            narrowed, sources = narrow(suite_named("own"), filters), [source]
        else:
            refuse_without_csv(
                target=target,
                task=task,
                drop=drop,
                numeric=numeric,
                categorical=categorical,
                literal=literal,
                card=card,
            )
            narrowed = narrow(suite_named(suite or "quick"), filters)
            if not narrowed.datasets:
                stop(f"suite {suite!r} names no datasets; give --dataset or --csv")
            sources = [Source(d, mirror=data_mirror, archive=data_archive) for d in narrowed.datasets]
        todo = plan(
            narrowed,
            sources,
            seeds=_seeds(seed),
            device=where,
            threads=threads,
            workers=count,
            tuned_in=results / "tuned",
        )
        folder = Folder(results / narrowed.name)
        if csv is not None:
            claim(sources[0], folder)
    except (Refused, DataError, ValueError) as error:
        stop(str(error))
    console.print(
        f"[bold]{narrowed.name}[/]: {len(todo.jobs)} cells on {len({j.cell.dataset for j in todo.jobs})} datasets, "
        f"{count} workers of {threads} thread{'s' * (threads > 1)}, {where}; records in {escape(str(folder.runs))}"
    )
    limit = None if memory is None else int(memory * 2**30)
    place = _place(executor, address, count, threads, where, limit, gpus)
    status = carry_out(todo, folder, timeout, stages, place)
    if until == "score":
        make_report(folder, console)
    summary(todo, status, folder)


def _place(
    executor: str,
    address: str | None,
    workers: int,
    threads: int,
    device: str,
    memory_bytes: int | None,
    gpus: Sequence[str],
) -> Executor:
    from importlib.util import find_spec

    from tabstep.engine.executors import Local

    if executor == "local":
        return Local(workers, threads, memory_bytes, gpus)
    if find_spec("ray") is None:
        stop('--executor ray needs Ray: pip install -e ".[ray]"')
    from tabstep.engine.cluster import Cluster

    return Cluster(address, workers, threads, device, memory_bytes)


def _show_own(source: Source, card: Path | None) -> None:
    from tabstep.data import own_table
    from tabstep.records import store

    loaded = source.load()
    table = Table(
        title=escape(f"{loaded.name}: {loaded.schema.task}, target {loaded.schema.target}"),
        title_justify="left",
    )
    for heading in ("column", "role", "type", "distinct", "missing"):
        table.add_column(heading, justify="right" if heading in ("distinct", "missing") else "left")
    assert source.file is not None
    kinds = own_table.kinds(source.file, loaded, source.literal)
    for column in own_table.columns(loaded):
        kind = kinds.get(column.column, column.dtype)
        table.add_row(escape(column.column), column.role, kind, str(column.distinct), str(column.missing))
    console.print(table)
    console.print(
        f"rows: {len(loaded.train)} train, {len(loaded.val)} validation, {len(loaded.test)} test (seed 0)"
    )
    for note in own_table.notes(source.file, loaded, source.literal):
        console.print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    if card is not None:
        store.replace(card, own_table.card(loaded).encode())
        console.print(f"card written to {escape(str(card))}")
