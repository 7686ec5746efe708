"""The rule between two times one of which is always as much later: due 30 days after the invoice, a year less a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import clocks, periods
from tabstep.data.counted import seconds, shifted, unit_of


@dataclass(frozen=True)
class Later:
    """`of` is `by`, months of the calendar and seconds later; earlier where they are negative.

    whole  whether that is counted from the day of `by`, whatever the time of day
    """

    by: str
    of: str
    months: int
    seconds: float
    whole: bool
    gives: tuple[str, ...]
    zone: str = ""

    def __post_init__(self) -> None:
        clocks.check(self.zone)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.of

    def __str__(self) -> str:
        begin = f"the day of {self.by}" if self.whole else self.by
        months = (self.months, "month") if self.months % 12 else (self.months // 12, "year")
        name, length = unit_of(self.seconds)
        parts = [part for part in (months, (self.seconds / length, name)) if part[0]]
        said = (
            f" {'-' if n < 0 else '+'} {abs(n):g} {unit}{'' if abs(n) == 1 else 's'}" for n, unit in parts
        )
        return f"{self.of} = {begin}{''.join(said)}"

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        there = frame[self.by].notna() & frame[self.of].notna()
        return np.asarray((self.made(frame) != frame[self.of]) & there)

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        times = clocks.local(frame[self.by], self.zone)
        begins = times.dt.floor("D") if self.whole else times
        to = self._moved(self._months(begins, 1), 1)
        return pd.Series(self._instants(to)).astype(frame[self.of].dtype)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is; its time of day stays where only the day matters."""
        of = frame[self.of] if self.whole else clocks.local(frame[self.of], self.zone)
        to = self._months(self._moved(of, -1), -1)
        times = frame[name]
        if self.whole:
            shown = clocks.local(times, self.zone)
            to = shifted(shown, seconds(to) - seconds(shown.dt.floor("D")))
        return pd.Series(clocks.instants(to, self.zone)).astype(times.dtype)

    def _instants(self, to: Any) -> Any:
        return to if self.whole else clocks.instants(to, self.zone)

    def _months(self, times: Any, sign: int) -> Any:
        counts = np.full(len(times), float(sign * self.months))
        return periods.moved(times, counts, periods.MONTH) if self.months else times

    def _moved(self, times: Any, sign: int) -> Any:
        return shifted(times, np.full(len(times), sign * self.seconds))
