"""What the commands share: options, and how they speak."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from tabstep.data.table import Task
    from tabstep.engine.job import Source
    from tabstep.records.store import Record

MOST_STEPS = 10**6
MOST_SEED = 2**32 - 1
MOST_PROCESSES = 1024

console = Console(width=None if sys.stdout.isatty() else 100)  # a file has no width; rich would take 80
errors = Console(stderr=True)

Many = list[str] | None
Suites = Annotated[Many, typer.Option("--suite", help="Only these suites (repeat or separate by commas).")]
Datasets = Annotated[
    Many, typer.Option("--dataset", help="Only these datasets (repeat or separate by commas).")
]
Methods = Annotated[Many, typer.Option("--method", help="Only these methods.")]
Samplers = Annotated[Many, typer.Option("--sampler", help="Only these samplers.")]
Workers = Annotated[
    int, typer.Option("--workers", help="Worker processes; 0 takes one a core.", min=0, max=MOST_PROCESSES)
]
Mirror = Annotated[
    Path | None,
    typer.Option(
        "--data-mirror", envvar="TABSTEP_DATA", help="Folder with <dataset>.parquet files.", show_envvar=True
    ),
]
Archive = Annotated[
    str | None,
    typer.Option(
        "--data-archive",
        envvar="TABSTEP_ARCHIVE",
        help="The TabDDPM authors' data.tar: a file or a URL.",
        show_envvar=True,
    ),
]
Trials = Annotated[int, typer.Option(help="Trials in all, those of earlier calls counted.", min=1)]
TrialSeconds = Annotated[
    float | None, typer.Option(help="No trial starts once all trials together took this long.")
]
TrialTimeout = Annotated[float, typer.Option(help="Seconds after which a trial fails.", min=1)]
TrialWorkers = Annotated[int, typer.Option(help="Trials at a time; 0 takes one a core.", min=0)]
Storage = Annotated[
    str | None, typer.Option(help="Database URL of the studies, instead of a journal file in results/tuned.")
]
Results = Annotated[Path, typer.Option("--results", help="Folder that holds a folder for each suite.")]
Csv = Annotated[
    Path | None, typer.Option("--csv", help="A table of your own, CSV or Parquet; needs --target.")
]
Target = Annotated[str | None, typer.Option("--target", help="Column to predict, with --csv.")]
TaskName = Annotated[
    str | None, typer.Option("--task", help="binclass, multiclass or regression, if the guess is wrong.")
]
Drop = Annotated[Many, typer.Option("--drop", help="Columns of --csv to leave out, such as ids.")]
Numeric = Annotated[Many, typer.Option("--numeric", help="Columns of --csv that are numbers or dates.")]
Categorical = Annotated[
    Many,
    typer.Option("--categorical", help="Columns of --csv that are categories; their values are repeated."),
]
Literal = Annotated[
    Many,
    typer.Option("--literal", help="Columns of --csv where NA, None, null are values, not gaps."),
]


def stop(message: str) -> NoReturn:
    errors.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def split(values: Many) -> tuple[str, ...]:
    """Options may be repeated or hold commas; nothing between two of them is an error, never everything."""
    parts = tuple(part for value in values or () for part in value.split(","))
    if not all(part.strip() for part in parts):
        stop(f"there is an empty name in {','.join(values or ())!r}; leave it out")
    return parts


def whole(option: str, part: str, *, low: int, most: int, also: str = "") -> int:
    """A whole number of an option that takes several."""
    if not (part.isascii() and part.isdecimal() and len(part) <= 20 and low <= int(part) <= most):
        stop(
            f"{option} must be {'positive ' if low else ''}whole numbers in {low} .. {most}{also}, got {part[:40]!r}"
        )
    return int(part)


def parse_steps(values: Many) -> tuple[Any, ...]:
    """Step budgets: whole numbers, or T for all steps of the model."""
    return tuple(
        part if part == "T" else whole("--steps", part, low=1, most=MOST_STEPS, also=" or T")
        for part in split(values)
    )


def records_in(runs: Path) -> list[Record]:
    """The records of a folder that may stand in one table; a line for each file that does not count."""
    from tabstep.records.gather import gather

    records, problems = gather(runs)
    leave_out(problems)
    return records


def leave_out(problems: Iterable[object]) -> None:
    """Say of each what is left out, and why."""
    for problem in problems:
        errors.print(f"[yellow]left out[/] {escape(str(problem))}", soft_wrap=True, highlight=False)


def device_named(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda"):
        stop(f"--device must be cpu, cuda or auto, got {name!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        stop("--device cuda: no CUDA device is available here; use cpu or auto")
    return name


def own_source(
    csv: Path,
    target: str | None,
    task: str | None,
    suite: str | None,
    dataset: Many,
    *,
    drop: Many,
    numeric: Many,
    categorical: Many,
    literal: Many,
) -> Source:
    """The table that --csv and the options beside it mean; it is the one dataset of the suite `own`.

    Names of columns may hold commas: they are told apart where the header is known.
    """
    from tabstep.engine.job import Source

    if target is None:
        stop("--csv needs --target, the name of the column to predict")
    if suite not in (None, "own") or dataset:
        stop("--csv is the table of the suite own; leave out the suite and --dataset")
    return Source(
        csv.stem,
        file=csv.resolve(),
        target=target,
        task=cast("Task | None", task),  # any other text is refused where the file is read
        drop=tuple(drop or ()),
        numeric=tuple(numeric or ()),
        categorical=tuple(categorical or ()),
        literal=tuple(literal or ()),
    )


def refuse_without_csv(**given: Any) -> None:
    """Options that mean something for a table of one's own alone."""
    unused = [f"--{name}" for name, value in given.items() if value]
    if unused:
        stop(f"{', '.join(unused)} only with --csv")
