"""What the commands share: options, and how they speak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

console = Console(width=None if sys.stdout.isatty() else 100)  # a file has no width; rich would take 80
errors = Console(stderr=True)

Many = list[str] | None
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
Results = Annotated[Path, typer.Option("--results", help="Folder that holds a folder for each suite.")]


def stop(message: str) -> NoReturn:
    errors.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def split(values: Many) -> tuple[str, ...]:
    """Options may be repeated or hold commas."""
    return tuple(part for value in values or () for part in value.split(",") if part)


def parse_steps(values: Many) -> tuple[Any, ...]:
    """Step budgets: whole numbers, or T for all steps of the model."""
    parsed: list[Any] = []
    for part in split(values):
        if part != "T" and not part.isdecimal():
            stop(f"--steps takes positive integers or T, got {part!r}")
        parsed.append(part if part == "T" else int(part))
    return tuple(parsed)


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
