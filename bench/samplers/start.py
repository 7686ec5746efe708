"""Where early-stopped paths begin: generators that are no diffusion, each fitted once per model and seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor

from tabstep.contracts import Method, Unsupported
from tabstep.diffusion.autoencoder import Autoencoder
from tabstep.diffusion.mixed import Draw, State, stacked
from tabstep.diffusion.noise import ROWS_PER_KEY, Noise
from tabstep.samplers.setting import Setting, digest


class Start(Protocol):
    """Settings of a generator of clean encoded rows."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def fit(self, setting: Setting) -> Draw:
        """Fit it, or find it fitted. The labels of the rows drawn are theirs: those asked for, where it can."""
        ...


@dataclass(frozen=True)
class Conditional:
    """Our variational autoencoder, on the encoded rows of the diffusion and given the same labels."""

    settings: Autoencoder = field(default_factory=Autoencoder)

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` without training rows."""
        data, blocks, seed = setting.training_rows(), setting.process.blocks, setting.seed
        name = f"autoencoder-{digest(self.settings)}-{seed}"
        weights = setting.artifacts.tensors(name, lambda: self.settings.train(data, blocks, seed=seed))
        return self.settings.restore(weights, data, blocks).draw


@dataclass(frozen=True)
class Foreign:
    """A registered method, fitted on the table itself; its rows pass through the encoder of the diffusion.

    Such a method draws its own labels with its rows, and these go on with them. It is drawn `ROWS_PER_KEY` rows at a
    time, by the seed and their place, and those asked for are taken: other batches give the same rows.
    """

    method: Method

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` without a training table, and where the method does."""
        table = setting.table
        if table is None:
            raise Unsupported("this fits another method on the training table, and there is none")
        encoder, like = table.encoder, setting.process.x_min
        name = f"start-{digest(self.method)}-{setting.seed}"
        model = setting.artifacts.kept(
            name,
            lambda: self.method.fit(
                table.train.copy(), encoder.schema, seed=setting.seed, device=str(like.device)
            ),
        )

        def draw(noise: Noise, y: Tensor | None) -> State:
            away = noise.apart(noise.d_num)
            parts = []
            for key, wanted in noise.spans():
                seed = np.random.SeedSequence(away.seed, spawn_key=(key,)).generate_state(1)
                x, c, own = encoder.encode(model.sample(ROWS_PER_KEY, seed=int(seed[0])))
                parts.append(State(x[wanted], c[wanted], None if own is None else own[wanted]))
            x, c, own = stacked(parts)
            return State(x.to(like), c.to(like.device), None if own is None else own.to(like.device))

        return draw
