"""The key of one point of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tabstep.records import schema


@dataclass(frozen=True)
class Cell:
    """The key of one point of the benchmark, and where its record lies.

    `params` names a set of hyper-parameters (say `default`). A diffusion method has a `sampler` and a budget
    of `steps`, and the sampler mostly a timestep `grid`; all three are None for a method that has no steps.
    """

    suite: str
    dataset: str
    method: str
    params: str
    sampler: str | None
    grid: str | None
    steps: int | None
    train_seed: int
    sample_seed: int

    def __post_init__(self) -> None:
        schema.check(self)
        if (self.sampler is None) != (self.steps is None) or (self.grid is not None and self.sampler is None):
            raise ValueError(
                "sampler and steps come together, and a grid only with them; "
                f"got sampler={self.sampler!r}, grid={self.grid!r}, steps={self.steps!r}"
            )

    @property
    def path(self) -> PurePosixPath:
        """Path of the record below the folder of the run."""
        budget = [str(part) for part in (self.sampler, self.grid, self.steps) if part is not None]
        name = "-".join([*budget, f"t{self.train_seed}", f"d{self.sample_seed}"])
        return PurePosixPath(self.dataset, f"{self.method}-{self.params}", f"{name}.json")
