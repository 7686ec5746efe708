"""Labels that something of the same row tells: what a rule that does so can say of rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.comparable import plain


class Telling:
    """A rule by which other columns tell the value of `of`, one of some labels.

    Where none of these is a gap, a gap says nothing: what would be told was not written.
    """

    of: str

    @property
    def labels(self) -> list[Any]:
        raise NotImplementedError

    def wanted(self, frame: pd.DataFrame) -> np.ndarray:
        """The place among the labels (n,) that each row wants, -1 for none."""
        raise NotImplementedError

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        wanted = self.wanted(frame)
        off = (wanted >= 0) & (self.there(frame) != wanted)
        return np.asarray(off if None in self.labels else off & frame[self.of].notna().to_numpy())

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        """The labels that rows want; where they want none, those that they have."""
        column, wanted, labels = frame[self.of], self.wanted(frame), self.labels
        found = pd.Series([labels[i] for i in wanted], index=column.index, dtype=column.dtype)
        return column.where(wanted < 0, found)

    def there(self, frame: pd.DataFrame) -> np.ndarray:
        """The place among the labels (n,) of what each row has, -1 for none of them."""
        return places(frame[self.of], self.labels)


def places(column: pd.Series[Any], labels: Sequence[Any]) -> np.ndarray:
    """The place of each value (n,) among the labels, -1 for none of them."""
    place: dict[Hashable, int] = {plain(label): i for i, label in enumerate(labels)}
    codes, unique = pd.factorize(column, use_na_sentinel=False)
    return np.array([place.get(plain(value), -1) for value in unique], dtype=np.int64)[codes]
