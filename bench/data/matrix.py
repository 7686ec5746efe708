"""Rows as one matrix of numbers and back, for methods that know nothing of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from tabstep.data.encode import Encoder
from tabstep.data.table import Schema


@dataclass(frozen=True, eq=False)
class Matrix:
    """A reversible map, learned from training rows.

    Numbers are carried to N(0, 1) by their quantiles; a category, and a label of classes, is one column for each of its
    values, 1 where it is that one and 0 elsewhere.
    """

    encoder: Encoder

    @classmethod
    def fit(cls, train: pd.DataFrame, schema: Schema) -> Self:
        """`train` is complete, as a method is given it."""
        return cls(Encoder.fit(train, schema))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Columns that stand for each category in turn, those of the label last; they follow the numbers."""
        classes = (len(self.encoder.classes),) if self.encoder.classes else ()
        return (*self.encoder.sizes, *classes)

    @property
    def width(self) -> int:
        return self.encoder.d_num + sum(self.sizes)

    def forward(self, rows: pd.DataFrame) -> np.ndarray:
        """(n, width) float32. Raises ValueError on a category that the training rows do not have."""
        x, c, y = self.encoder.encode(rows)
        codes = c.numpy() if y is None else np.column_stack([c.numpy(), y.numpy()])
        one_hot = [np.eye(K, dtype=np.float32)[codes[:, j]] for j, K in enumerate(self.sizes)]
        return np.hstack([x.numpy(), *one_hot])

    def inverse(self, matrix: Any) -> pd.DataFrame:
        """Rows of any matrix (n, width): the largest of its columns is the category, numbers stay in their range."""
        values = np.asarray(matrix, dtype=np.float32)
        if values.ndim != 2 or values.shape[1] != self.width:
            raise ValueError(f"expected a matrix of {self.width} columns, got one of shape {values.shape}")
        x, *groups = np.split(values, np.cumsum([self.encoder.d_num, *self.sizes])[:-1], axis=1)
        codes = [torch.from_numpy(group.argmax(1)) for group in groups]
        y = codes.pop() if self.encoder.classes else None
        c = torch.stack(codes, 1) if codes else torch.empty(len(x), 0, dtype=torch.int64)
        return self.encoder.decode(torch.from_numpy(np.ascontiguousarray(x)), c, y)
