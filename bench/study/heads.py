"""What the categorical head of a trained network means, and what a sampler loses that reads it otherwise.

The training loss of TabDDPM makes the head `pi_loo`, the classes of a column given everything but its own noisy class;
see `tabstep.diffusion.multinomial`. On rows of categories alone the posterior under the training rows is a sum over
them, so that a trained head can be held against both readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabstep.diffusion import multinomial
from tabstep.diffusion.loss import diffuse
from tabstep.diffusion.mixed import Denoiser, Process, State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.noise import stream
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.samplers.setting import Setting

ROWS = 512


@dataclass(frozen=True, eq=False)
class Misread:
    """A denoiser whose head is taken for `pi_full`: what comes out of a sampler that leaves the conversion out.

    It divides by what the conversion of a sampler multiplies with, so that samplers need no switch for this.
    """

    process: Process

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        assert isinstance(t, int)
        numeric, scores = self.process.denoiser(x, c, t, y)
        a_t = self.process.schedule.at(t)
        read = self.process.blocks.map(scores, c, lambda p, k: multinomial.log_loo(p, k, a_t))
        return numeric, read


def posteriors(process: Process, train: State, noisy: State, t: int) -> tuple[Tensor, Tensor]:
    """pi_loo and pi_full of every column, (n, sum K) each, under the rows `train` as the distribution of clean rows.

    Categorical columns only. With labels, a noisy row is compared with training rows of its own label.
    """
    a_t = process.schedule.at(t)
    loo, full = (torch.zeros(len(noisy.c), process.blocks.width, dtype=torch.float64) for _ in range(2))
    offsets = process.blocks.offsets(train.c.device)
    sizes = torch.tensor(process.blocks.sizes, dtype=torch.float64)
    hit, miss = (a_t + (1 - a_t) / sizes).log(), ((1 - a_t) / sizes).log()
    for i in range(len(noisy.c)):
        rows = train.c if train.y is None or noisy.y is None else train.c[train.y == noisy.y[i]]
        each = torch.where(rows == noisy.c[i], hit, miss)  # (N, d_c): log q(c_t | c_0) of every training row
        whole = each.sum(1, keepdim=True)
        index = (rows + offsets).flatten()
        for out, log_weight in ((full, whole.expand_as(each)), (loo, whole - each)):
            out[i].scatter_add_(0, index, log_weight.softmax(0).flatten())
    return loo, full


def distances(model: Diffusion, train: State, times: tuple[int, ...]) -> list[dict[str, float]]:
    """Mean total variation of the head to both posteriors, over rows and columns, at each time."""
    process = model.process
    picked = torch.randperm(len(train.c), generator=stream(0, 3000))[:ROWS]
    clean = State(train.x[picked], train.c[picked], None if train.y is None else train.y[picked])
    out = []
    for t in times:
        eps = torch.zeros_like(clean.x)
        noisy = diffuse(
            clean, torch.full((len(picked),), t), process.schedule, process.blocks, eps, stream(0, 3001, t)
        )
        noisy = State(noisy.x, noisy.c, clean.y)
        with torch.inference_mode():
            scores = process.denoiser(*noisy[:2], t, noisy.y)[1]
        pi = process.blocks.log_softmax(scores).exp().double()
        loo, full = posteriors(process, train, noisy, t)
        columns = len(process.blocks.sizes)
        to_loo, to_full, apart = (
            float((a - b).abs().sum(1).mean()) / 2 / columns for a, b in ((pi, loo), (pi, full), (loo, full))
        )
        out.append({"t": t, "to_loo": to_loo, "to_full": to_full, "loo_to_full": apart})
    return out


def drawn(
    model: Diffusion, setting: Setting, sampler: str, K: int, n: int, *, seed: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of a sampler as it is, ("converted", rows), and with the conversion left out, ("left out", rows)."""
    chosen = SAMPLERS[sampler]
    path = GRIDS[chosen.grid](setting, K)
    misread: Denoiser = Misread(setting.process)
    for name, process in (
        ("converted", setting.process),
        ("left out", replace(setting.process, denoiser=misread)),
    ):
        draw = chosen.prepare(replace(setting, process=process), path)
        yield name, model.generate(draw, n, seed=seed).rows


def pair_distance(a: pd.DataFrame, b: pd.DataFrame, columns: tuple[str, ...]) -> float:
    """Mean total variation between the joint tables of every pair of columns, in two frames."""
    found = []
    for pair in combinations(columns, 2):
        shares = [frame.groupby(list(pair), observed=True).size() / len(frame) for frame in (a, b)]
        left, right = shares[0].align(shares[1], fill_value=0.0)
        found.append(float(np.abs(left - right).sum()) / 2)
    return float(np.mean(found))


def independent(frame: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The same frame with every column permuted by itself: all dependence gone."""
    rng = np.random.default_rng(seed)
    shuffled: dict[str, Any] = {name: rng.permutation(frame[name].to_numpy()) for name in frame.columns}
    return pd.DataFrame(shuffled)
