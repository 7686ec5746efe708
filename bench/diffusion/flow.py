"""What one step of a deterministic solver loses: its local error, for all steps from one walk along the flow.

The bound of `nelbo` prices a step by what its noise cannot explain. A solver of the probability flow (DDIM, DPM-Solver,
UniPC) draws no noise, and what it loses is how far a long step ends from where many short ones do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.nelbo import CHUNK


@torch.no_grad()
def errors(
    process: Process, held: State, times: Sequence[int], *, clip_x0: bool = True, seed: int = 0
) -> Tensor:
    """Squared local error of first-order steps over the candidate `times`, which rise from 0: (n, n) float64.

    Entry [i, j] is E (x_one - x_many)^2 / v, summed over numeric columns: of rows on the flow at times[j], where one
    step to times[i] leads and where the walk through all times between them does, in parts of the variance
    v = abar w + 1 - abar that a column of variance w has there. The flow of a normal column is a scaling by sqrt(v),
    so that in these units an error stays what it is on the way to the rows. Entries with i >= j hold 0.

    The walk begins at the held rows noised to the last time, and classes stay or jump along it. It costs exactly one
    network call for each time above 0.
    """
    n, d = len(times), process.d_num
    noise = process.noise(seed, 0, len(held.x)).apart(d)  # not that of any draw
    state = process.until(times[-1]).noised(held, noise)
    x = torch.empty(n, *held.x.shape, dtype=held.x.dtype, device=held.x.device)
    x0_hat = torch.empty_like(x)
    x[-1] = state.x
    for j in range(n - 1, 0, -1):
        t, s = times[j], times[j - 1]
        out = process.predict(state, t, clip_x0=clip_x0)
        x0_hat[j] = out.x0_hat
        a_t, a_s = process.schedule.at(t), process.schedule.at(s)
        x[j - 1] = gaussian.ddim_step(state.x, out.x0_hat, a_t, a_s, None, eta=0.0)
        state = State(x[j - 1], process.stay_or_jump(out.scores, state.c, t, s, noise), held.y)
    alpha_bar = process.schedule.alpha_bar[torch.as_tensor(times)].reshape(-1, 1, 1).to(x)
    variance = alpha_bar * held.x.var(0, correction=0) + 1 - alpha_bar
    found = torch.zeros(n, n, dtype=torch.float64)
    some = max(1, CHUNK // max(1, held.x.numel()))
    for j in range(1, n):
        eps = gaussian.eps_from_x0(x[j], x0_hat[j], float(alpha_bar[j]))
        for low, high in pairwise([*range(0, j, some), j]):
            a = alpha_bar[low:high]
            apart = a.sqrt() * x0_hat[j] + (1 - a).sqrt() * eps - x[low:high]
            found[low:high, j] = (apart.double() ** 2 / variance[low:high]).mean(1).sum(1).cpu()
    return found
