"""A mixture of products as a method: what latent classes give in seconds, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pandas as pd
import torch
from torch import Tensor

from tabstep.baselines.row_form import conform
from tabstep.data.encode import Encoder
from tabstep.data.scales import Normalization
from tabstep.data.table import Schema
from tabstep.diffusion import labelled_mixture, mixture
from tabstep.diffusion.mixed import State, stacked
from tabstep.diffusion.mixture import Mixture
from tabstep.diffusion.mixture_em import EM
from tabstep.diffusion.noise import stream

if TYPE_CHECKING:
    import optuna

BATCH_ROWS = 8192


@dataclass(frozen=True, eq=False)
class FittedMixture:
    """A mixture of encoded rows with the encoder of its table; the label is its last category.

    like  no rows, but the columns and dtypes of the training table
    """

    encoder: Encoder
    mixture: Mixture
    like: pd.DataFrame

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Components by their weights, then every column by itself."""
        generator = stream(seed, 6002)
        parts = []
        for start in range(0, n, BATCH_ROWS):
            some = min(BATCH_ROWS, n - start)
            u, normal, uniform = self._noise(some, generator)
            z = mixture.component(self.mixture.log_w.expand(some, -1), u)
            parts.append(self._state(*mixture.draw(self.mixture, z, normal, uniform)))
        return self._decoded(parts)

    def nats(self, rows: pd.DataFrame) -> Tensor:
        """-log p(x, c | y) of complete rows, (n,), exact: what the NELBO of a diffusion on the same rows bounds.

        The density is that of numbers on their scale, so it may be above 1 and this below 0; it compares with bounds of
        methods on the same scale. By ranks, a row's place among its ties is drawn by where it stands among `rows`. Of a
        regression, whose target is one of the numbers, -log p(x, c). Infinite for a category that training rows lack.
        """
        known = self.encoder.known(rows)
        state = self._encode(rows[known])
        joint = mixture.log_density(self.mixture, state)
        found = torch.full((len(rows),), torch.inf, dtype=joint.dtype)
        label = 0.0 if state.y is None else mixture.log_label(self.mixture, state.y)
        found[torch.from_numpy(known)] = label - joint
        return found

    def complete(self, rows: pd.DataFrame, keep: Sequence[str], *, seed: int) -> pd.DataFrame:
        """One row for each of `rows`, the columns `keep` as they are and the others drawn given those, exactly."""
        if unknown := sorted(set(keep) - set(self.encoder.schema.columns)):
            raise ValueError(
                f"keep: no column {unknown[0]!r}; there are {', '.join(self.encoder.schema.columns)}"
            )
        state = self._encode(rows)
        labels = [*self.encoder.coded, *([self.encoder.schema.target] if self.encoder.classes else [])]
        c = mixture.classes(state)
        has_x = torch.tensor([name in keep for name in self.encoder.numbers], dtype=torch.bool).expand_as(
            state.x
        )
        has_c = torch.tensor([name in keep for name in labels], dtype=torch.bool).expand_as(c)
        generator = stream(seed, 6003)
        parts = []
        for i in mixture.batches(len(c), self.mixture.components + self.mixture.log_p.shape[1]):
            noise = self._noise(len(c[i]), generator)
            parts.append(
                self._state(*mixture.complete(self.mixture, state.x[i], c[i], has_x[i], has_c[i], *noise))
            )
        return self._decoded(parts).assign(**{name: rows[name].to_numpy() for name in keep})

    def _decoded(self, parts: Sequence[State]) -> pd.DataFrame:
        return conform(self.encoder.decode(*stacked(parts)), self.like, self.encoder.schema)

    def _encode(self, rows: pd.DataFrame) -> State:
        x, c, y = self.encoder.encode(rows)
        return State(x.double(), c, y)

    def _noise(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """For the component (n, 1), the numbers (n, d_num) and the classes (n, d_c) of rows."""
        u = torch.rand(n, 1, generator=generator, dtype=torch.float64)
        normal = torch.randn(n, self.encoder.d_num, generator=generator, dtype=torch.float64)
        return u, normal, torch.rand(n, len(self.mixture.sizes), generator=generator, dtype=torch.float64)

    def _state(self, x: Tensor, c: Tensor) -> State:
        return State(x, c[:, :-1], c[:, -1]) if self.encoder.classes else State(x, c, None)


@dataclass(frozen=True)
class MixtureOfProducts(EM):
    """Mixture of products by EM, of each frequent label by itself: the floor of what a table gives in seconds.

    normalization  the scale of numbers, see `data.scales`; "ranks" is what `tabstep` has, whose samplers begin at such
                   a mixture
    """

    normalization: Normalization = "ranks"

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """How much each component borrows from all rows; the number of components is chosen by held rows anyway."""
        return cls(
            smooth=trial.suggest_float("smooth", 0.01, 1.0, log=True),
            least_std=trial.suggest_float("least_std", 0.02, 0.2, log=True),
        )

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> FittedMixture:
        """Encode and climb, for each frequent label by itself; on the CPU, whatever the `device`."""
        encoder = Encoder.fit(train, schema, normalization=self.normalization)
        rows = State(*encoder.encode(train))
        like = train[list(schema.columns)].iloc[:0].copy()
        return FittedMixture(encoder, labelled_mixture.estimate(self, rows, encoder.sizes, seed=seed), like)
