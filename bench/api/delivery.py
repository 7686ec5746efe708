"""The rows that a request asks for, in a frame or in a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.api.completing import PARTICLES
from tabstep.api.drawing import All, Kept, Source
from tabstep.api.how import NAME, How
from tabstep.api.origin import Origin
from tabstep.api.request import Request
from tabstep.data import compound, parts
from tabstep.data.columns import Column, as_text
from tabstep.data.compound import Compound
from tabstep.data.identifiers import Identifier, finished
from tabstep.data.layout import SEPARATORS


@dataclass(frozen=True, eq=False)
class Delivery:
    """Rows of a source that meet a request, with new ids, and several values in a cell where the table has them so.

    origin     of the fit, which says what files look like
    rare       makes the source of rows given single values, None where there is none
    """

    source: Source
    request: Request
    identifiers: tuple[Identifier, ...]
    compounds: tuple[Compound, ...]
    origin: Origin
    rare: Callable[[], Source] | None = None

    def frame(self) -> pd.DataFrame:
        """All rows; what came of conditions is among their attributes, and a warning what is poor."""
        drawn = list(self._parts({}, lambda _: None))
        rows = pd.concat([frame for frame, _ in drawn], ignore_index=True)
        how = self._how(drawn[-1][1])
        if how is not None:
            rows.attrs[NAME] = how.plain
        return rows

    def file(
        self,
        path: Path,
        plan: Mapping[str, Any],
        columns: Sequence[Column],
        gaps: Collection[str],
        progress: parts.Progress | None,
    ) -> How | None:
        """Write them part by part; what `plan` does not say of what determines them, the request does.

        gaps  columns that may have some
        """
        of, last = self.request, -1
        is_text = path.suffix.lower() in SEPARATORS

        def told(done: int) -> None:
            nonlocal last
            last = done
            if progress is not None:
                progress(done, of.n)

        def told_of_part(done: int, _: int) -> None:
            if done != last:  # the batch that ended it told already
                told(done)

        def make(known: parts.Known) -> Iterator[tuple[pd.DataFrame, parts.Known]]:
            for rows, after in self._parts(known, told):
                there = [column for column in columns if column.name in rows.columns]
                yield (as_text(there, rows, gaps) if is_text else rows), after

        whole = {
            **plan,
            "n": of.n,
            "seed": of.seed,
            "conditions": of.said,
            "separator": self.origin.separator,
        }
        return self._how(
            parts.write(path, whole, of.n, make, told_of_part, self.origin.separator, self.origin.types)
        )

    def _how(self, known: parts.Known) -> How | None:
        if self.request.is_plain:
            return None
        how = self.request.how(known, PARTICLES)
        how.warn(stacklevel=4)
        return how

    def _parts(
        self, known: parts.Known, told: Callable[[int], None]
    ) -> Iterator[tuple[pd.DataFrame, parts.Known]]:
        of = self.request
        if of.by_choice or of.quota is not None:
            chosen: parts.Make = Kept(self.source, of.n, of.by_choice, told, of.quota, self.rare)
        else:
            chosen = All(self.source, of.n, told)
        for rows, after in chosen(known):
            whole = compound.together(rows, self.compounds)
            yield finished(whole, self.identifiers, after["rows"] - len(rows), of.seed), after
