"""What a person sees while a suite runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tabstep.cli.waiting import SILENCE_S, duration
from tabstep.engine.job import Outcome
from tabstep.engine.run import Status
from tabstep.records.store import Cell

MARKS = {"ok": ("done", "green"), "failed": ("FAILED", "red"), "skipped": ("skipped", "yellow")}


def name_of(cell: Cell) -> str:
    """A cell in words, as in `mlc-churn tabddpm-quick ddim-trailing 10 steps, seeds 0/0`."""
    parts = [cell.dataset, f"{cell.method}-{cell.params}"]
    if cell.sampler:
        parts.append(f"{cell.sampler}-{cell.grid} {cell.steps} steps,")
    return f"{' '.join(parts)} seeds {cell.train_seed}/{cell.sample_seed}"


class View:
    """A watcher for `run.execute`; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = (
            Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        )
        self.started = self.spoke = time.monotonic()
        self.resumed = 0

    def __enter__(self) -> Self:
        if self.live:
            self.live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.__exit__(kind, error, trace)

    def __call__(self, status: Status, outcome: Outcome | None) -> None:
        if outcome is not None:
            self._line(status, outcome)
        if self.live:
            self.live.update(self._picture(status))
        elif time.monotonic() - self.spoke > SILENCE_S and status.running:
            self._say(
                Text(f"[{len(status.outcomes):>4}/{status.total}] running {', '.join(status.running)}"),
                status,
            )

    def _line(self, status: Status, outcome: Outcome) -> None:
        if outcome.reason == "already done":
            self.resumed += 1
            return
        word, colour = MARKS[outcome.status]
        line = Text(f"[{len(status.outcomes):>4}/{status.total}] ")
        line.append(f"{word:<7} ", colour)
        line.append(name_of(outcome.cell))
        if outcome.reason:
            line.append(f": {outcome.reason}", colour)
        if self.live:
            self.console.print(line, soft_wrap=True)
        else:
            self._say(line, status)

    def _say(self, line: Text, status: Status) -> None:
        """A plain line, with the time that is gone and left."""
        left = status.seconds_left
        line.append(f"  ({duration(time.monotonic() - self.started)}")
        line.append(f", about {duration(left)} left)" if left is not None else ")")
        self.console.print(line, soft_wrap=True)
        self.spoke = time.monotonic()

    def _picture(self, status: Status) -> Group:
        counts = {word: 0 for word in MARKS}
        for outcome in status.outcomes:
            counts[outcome.status] += 1
        left = status.seconds_left
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=max(status.total, 1), completed=len(status.outcomes), width=30),
            f"{counts['ok']} done ({self.resumed} from before), {counts['failed']} failed, "
            f"{counts['skipped']} skipped, {status.total - len(status.outcomes)} to go",
            f"{duration(time.monotonic() - self.started)} gone",
            f"about {duration(left)} left" if left is not None else "",
        )
        return Group(head, *(Text(f"  running: {label}", "cyan") for label in status.running))
