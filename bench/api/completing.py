"""Rows of a fitted diffusion given some of their columns, by particles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabstep.api.drawing import Particles, all_completed
from tabstep.api.request import Request
from tabstep.api.way import trailing
from tabstep.api.written import Written
from tabstep.data.fixed import given
from tabstep.diffusion.model import Diffusion
from tabstep.samplers.conditional import Known

PARTICLES = 64  # that follow each row
STEPS = 50  # that they take, or all of a shorter model


@dataclass(frozen=True, eq=False)
class Completing:
    """A model in the user's columns, which `written` makes of decoded rows."""

    model: Diffusion
    written: Written

    def rows(
        self, wanted: pd.DataFrame, steps: int, particles: int, seed: int
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Rows with the columns of `wanted`, the others drawn, and what the particles of each were worth, (n,).

        Raises ValueError that names the column for a value that the training rows do not have.
        """
        model, fixed = self.model, tuple(wanted.columns)
        path = trailing(model, steps)
        known, y = self._known(wanted, fixed)
        labels = model.labels(len(wanted) * particles, seed) if y is None else y.repeat_interleave(particles)
        state, effective = all_completed(model, path, known, particles, labels, seed)
        return self.written.around(model.encoder.decode(*state), wanted), effective

    def source(self, request: Request) -> Particles:
        """Rows given the single values that are asked for."""
        one = {c.name: c.written for c in request.points}
        known, _ = self._known(pd.DataFrame(one), tuple(one))
        held = (self.written.completion.schema.target,) if request.by_label or request.turns else ()

        def written(rows: pd.DataFrame) -> pd.DataFrame:
            fixed = {name: value.repeat(len(rows)).reset_index(drop=True) for name, value in one.items()}
            return self.written.around(rows, pd.DataFrame(fixed), held)

        # Noise of its own: the first rows would be kin to those that the network drew.
        process = self.model.process
        seed = process.noise(request.seed, 0, 1).apart(process.d_num).seed
        path = trailing(self.model, min(STEPS, self.model.schedule.T))
        labels = request.labels(particles=PARTICLES)
        return Particles(self.model, path, known, PARTICLES, labels, seed, written)

    def _known(self, rows: pd.DataFrame, fixed: Sequence[str]) -> tuple[Known, Tensor | None]:
        """The columns `fixed` of the user's rows, and the labels (n,) if they are among them."""
        model = self.model
        written = self.written
        wanted = given(written.columns, written.completion, model.encoder, rows, fixed, written.spans)
        state = model.encode(wanted.rows)
        masks = (torch.from_numpy(mask).to(model.device) for mask in (wanted.has_x, wanted.has_c))
        labelled = self.written.completion.schema.target in fixed
        return Known(state.x, state.c, *masks), state.y if labelled else None
