"""AdaSDE: steps of DDIM, before each of which as much noise is added as was learned (Wang et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from tabstep.diffusion import relaxed
from tabstep.diffusion.mixed import Draw, Process
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import Schedule
from tabstep.samplers.by_critic import ByCritic
from tabstep.samplers.ddss import drawing
from tabstep.samplers.ggdm import step_noise
from tabstep.samplers.setting import Setting, Steps, digest, few_from_noise

VERSION = 1  # raise when the same model and rows give other amounts

LARGEST = 4.0  # amount of noise: four times what is there


@dataclass(frozen=True)
class AdaSDE:
    """A deterministic step keeps the errors of the steps before it, and noise forgets them, at the price of a longer
    step. How much is best before each step is one number, learned by a gradient through all of them (Wang et al. 2025).

    There the gradient is of the distance from the ends of longer paths; here it is of `by`, as for `DDSS`, and rows
    need no teacher. The classes are noised with the numbers, by the forward process of both.

    begin    amount of noise where the descent begins, in parts of what is there; 0, which is DDIM, is judged beside it
    most     evaluations that this is done for
    """

    by: ByCritic = field(default_factory=ByCritic)
    begin: float = 0.5
    clip_x0: bool = True
    most: int = 20
    grid: ClassVar[str] = "trailing"

    def __post_init__(self) -> None:
        if not 0 <= self.begin <= LARGEST:
            raise ValueError(f"begin must be in [0, {LARGEST:g}], got {self.begin}")

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Learn the amounts of this path, or read them.

        Raises `Unsupported` without training or held-out rows, for more than `most` evaluations, and for a path that
        does not begin in noise.
        """
        K, process = len(path) - 1, setting.process
        few_from_noise("amounts of noise", self.most, setting, path)
        self.by.prepare(setting)

        def rows(numbers: Mapping[str, Tensor], noise: Noise, y: Tensor | None) -> tuple[Tensor, Tensor]:
            return walk(process, path, numbers["amount"], noise, y, clip_x0=self.clip_x0)

        none = torch.zeros(K - 1, dtype=torch.float64)
        found = setting.artifacts.tensors(
            f"adasde-{K}-{digest(_Key(self, path, setting.seed))}",
            lambda: self.by.search(
                setting,
                [{"amount": none}, {"amount": none + self.begin}],
                rows,
                learned=["amount"],
                project=project,
            ),
        )
        amounts = {"amount": found["amount"].to(process.x_min.device)}
        return drawing(process, lambda noise, y: rows(amounts, noise, y))


@dataclass(frozen=True)
class _Key:
    """What determines the amounts of one fitted model."""

    settings: AdaSDE
    path: Steps
    seed: int
    version: int = VERSION


def project(numbers: Mapping[str, Tensor]) -> None:
    """Bring amounts back into [0, `LARGEST`], in place."""
    with torch.no_grad():
        numbers["amount"].clamp_(0, LARGEST)


def walk(
    process: Process, path: Steps, amount: Tensor, noise: Noise, y: Tensor | None, *, clip_x0: bool
) -> tuple[Tensor, Tensor]:
    """Clean numbers (n, d_num) and one-hot classes (n, sum K), with a gradient to the amounts (K - 1,) >= 0.

    Before the call at path[k], k > 0, rows are noised as the forward process does, until the noise in units of the
    signal is sqrt(1 + amount_k^2) times what it was: that is 1 + gamma_k of the paper. The call is at the time that
    rows are at then. The signal as a number is all that classes see of the amounts.
    """
    schedule, own = process.schedule, noise.apart(process.d_num)
    state = process.prior(noise, y)
    x, one_hot = state.x, process.blocks.one_hot(state.c, state.x.dtype)
    one = amount.new_ones(())
    for k, (t, s) in enumerate(pairwise(path)):
        signal, time = one * schedule.at(t), one * t
        if k > 0:
            was, signal = signal, noised_signal(signal, amount[k - 1])
            x = (signal / was).sqrt().to(x) * x + added(was, amount[k - 1]).to(x) * own.normal()
            one_hot = _noised_classes(process, one_hot, float(signal.detach() / was), own)
            time = time + (
                time_of(schedule, signal) - time_of(schedule, was)
            )  # exactly t where nothing was added
        eps_hat, scores = process.denoiser(x, one_hot, time.clamp(max=schedule.T).unsqueeze(0), y)
        noisy = (1 - signal).sqrt().to(x) * eps_hat[:, : process.d_num]
        clean = (x - noisy) / signal.sqrt().to(x)
        clean = clean.clamp(process.x_min, process.x_max) if clip_x0 else clean
        left = schedule.at(s)
        on_last = ((1 - left) / (1 - signal)).sqrt()
        on_clean = left**0.5 - on_last * signal.sqrt()
        x = clean if s == 0 else on_clean.to(x) * clean + on_last.to(x) * x
        draws = step_noise(noise)
        one_hot = relaxed.stay_or_jump(
            *(scores, one_hot, float(signal.detach()), left, one, one),
            *(draws.uniform, draws.gumbel, process.blocks),
        )
    return x, one_hot


def noised_signal(signal: Tensor, amount: Tensor) -> Tensor:
    """abar after noise was added: (1 - abar) / abar is 1 + amount^2 times what it was."""
    return signal / (1 + amount.square() * (1 - signal))


def added(signal: Tensor, amount: Tensor) -> Tensor:
    """The deviation of what is added to get there, sqrt(1 - abar_then / abar); smooth where it is 0."""
    return amount * ((1 - signal) / (1 + amount.square() * (1 - signal))).sqrt()


def time_of(schedule: Schedule, signal: Tensor) -> Tensor:
    """The real time in [1, T] at which this much signal is left, linear in its log-ratio to noise between times."""
    known = schedule.half_log_snr[1:].to(signal.device)  # falls
    wanted = 0.5 * (signal.log() - torch.log1p(-signal))
    after = torch.searchsorted(-known, -wanted.detach()).clamp(1, len(known) - 1)
    share = (known[after - 1] - wanted) / (known[after - 1] - known[after])
    return after + share.clamp(0, 1)


def _noised_classes(process: Process, one_hot: Tensor, kept: float, noise: Noise) -> Tensor:
    """Classes that stay with this probability, else are drawn anew, each as likely."""
    uniform, gumbel = noise.uniform(), noise.gumbel()
    out = []
    for group, now in process.blocks.each(one_hot):
        fresh = relaxed.categorical(torch.zeros_like(now), gumbel[:, group.flat].view_as(now)).detach()
        stays = (uniform[:, group.columns] < kept).unsqueeze(-1)
        out.append(torch.where(stays, now, fresh).flatten(1))
    return torch.cat(out, 1) if out else one_hot
