"""What a call of `sample` asks for: how many rows, which conditions, and which of these the network itself can meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from tabstep.api import asked, contradictions
from tabstep.api.conditions import Condition, balanced, read
from tabstep.api.drawing import Tally
from tabstep.api.how import How
from tabstep.api.quota import Quota
from tabstep.data.columns import Column
from tabstep.data.completion import MISSING, Completion
from tabstep.data.constraints import Constraint
from tabstep.data.encode import Encoder
from tabstep.data.parts import Known
from tabstep.data.wishes import Gathered
from tabstep.diffusion.labels import Each, Labels, Random, Turns


@dataclass(frozen=True, eq=False)
class Request:
    """Rows that are asked for.

    classes    labels that the network is conditioned on, and `counts` of them, (classes,); none where it is not
    by_label   conditions on the label that the network is conditioned on
    by_choice  the others
    labels     that take turns, where the balanced column is that of the label
    quota      where it is another one
    """

    classes: tuple[str, ...]
    counts: Tensor
    n: int
    seed: int
    by_label: tuple[Condition, ...] = ()
    by_choice: tuple[Condition, ...] = ()
    turns: bool = False
    quota: Quota | None = None
    balance: str | None = None

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        counts: Tensor,
        columns: Sequence[Column],
        completion: Completion,
        rules: Sequence[Constraint],
        n: int,
        seed: int,
        where: Mapping[str, Any] | None,
        balance: str | None,
        ids: Collection[str] = (),
    ) -> Self:
        """Raises ValueError for what no training row has, names the column, and for all that is wrong at once."""
        found = Gathered()
        with found.faults():
            n = asked.whole("n", n, 1)
        with found.faults():
            seed = asked.seed(seed)
        conditions: tuple[Condition, ...] = ()
        with found.faults():
            conditions = read(where, columns, completion, encoder, ids)
            contradictions.check(conditions, rules)
        with found.faults():
            even = None if balance is None else balanced(balance, columns, conditions, ids)
        found.end()
        # A number with gaps may take the place of the label by its companion, which is no column of the user's.
        target = completion.schema.target
        label = target if len(counts) and completion.inner.target == target else None
        by_label = tuple(c for c in conditions if c.name == label)
        by_choice = tuple(c for c in conditions if c.name != label)
        if even is None:
            return cls(encoder.classes, counts, n, seed, by_label, by_choice)
        column, labels = even
        turns = column.name == label
        # Other conditions leave unlike numbers of each label.
        quota = Quota(column, labels, n) if not turns or by_choice else None
        return cls(encoder.classes, counts, n, seed, by_label, by_choice, turns, quota, column.name)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but a number of rows is asked for."""
        return not self.by_label and not self.by_choice and self.balance is None

    @property
    def points(self) -> tuple[Condition, ...]:
        """Single values that particles could be given."""
        return tuple(c for c in self.by_choice if c.is_point) if self.quota is None else ()

    def labels(self, *, particles: int = 1) -> Labels | None:
        """The labels of the rows in order, or of the particles that follow each."""
        if not len(self.counts):
            return None
        meant = [None if label == MISSING else label for label in self.classes]
        may = torch.tensor([all(label in c.values for c in self.by_label) for label in meant])
        if self.turns:
            may &= torch.tensor([label is not None for label in meant])
            return Each(Turns(torch.nonzero(may).flatten()), particles)
        return Random(self.counts * may, self.seed)

    @property
    def said(self) -> list[str]:
        """In words, for a plan."""
        return [c.said for c in (*self.by_label, *self.by_choice)] + [f"balance {self.balance}"]

    def how(self, known: Known, particles: int) -> How:
        """What came of it, by what is known after the last row."""
        tally = Tally(**known)
        label = [c.said for c in self.by_label] + [f"balance of {self.balance}"] * self.turns
        alone = self.quota is not None and not self.turns
        choice = [c.said for c in self.by_choice] + [f"balance of {self.balance}"] * alone
        return How(
            tuple(label),
            tuple(choice),
            tally.drawn,
            tally.kept,
            tuple(c.said for c in self.points) if tally.rare else (),
            particles if tally.rare else 0,
            tally.effective / max(1, tally.met) if tally.rare else None,
        )
