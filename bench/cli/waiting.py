"""How far one long thing is: a bar with the time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console

EVERY_S = 10.0  # between two lines
SILENCE_S = 60.0  # of many things: after this long without one that ended, a line says what runs


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Waiting:
    """Call it with (done, total), and with a loss while a network is trained; use as a context manager.

    Where `done` falls another thing of the kind begins, and the time left is that of this one.
    """

    def __init__(
        self, console: Console, doing: str, unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._doing, self._unit, self._clock = console, doing, unit, clock
        self._began = self._said = clock()
        self._first = self._last = -1
        self._bar = None
        if console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(f"{unit},"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(doing, total=None)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, loss: float | None = None) -> None:
        beside = "" if loss is None else f", loss {loss:.3g}"
        if self._last < 0 or done < self._last:
            self._first, self._began = done, self._clock()  # what was there from before took no time now
            if self._bar is not None:
                self._bar.reset(self._task)
        self._last = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=f"{self._doing}{beside}")
            return
        now = self._clock()
        if now - self._said < EVERY_S or done == total:
            return
        self._said = now
        fresh = done - self._first
        left = f", about {duration((now - self._began) * (total - done) / fresh)} left" if fresh > 0 else ""
        self._console.print(
            f"{self._doing}: {done:,} of {total:,} {self._unit}{beside}{left}",
            highlight=False,
            soft_wrap=True,
        )
