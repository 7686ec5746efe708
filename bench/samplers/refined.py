"""Taught networks taught further: by a critic, which sees what the errors of single rows do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from tabstep.diffusion.initial import seeded
from tabstep.diffusion.mixed import Draw, State, taken
from tabstep.diffusion.noise import stream
from tabstep.diffusion.train import Training
from tabstep.samplers.critic import BETAS, Critic, descended, telling, told
from tabstep.samplers.distilled import Begin, Distilled, copied, divergence, jumping, learned, using
from tabstep.samplers.judged import LEAST_ROWS, Judge, standard_error
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, digest
from tabstep.samplers.start import Start

VERSION = 1  # raise when the same model, rows and taught networks give other networks


@dataclass(frozen=True)
class Refined:
    """The jumps of `Distilled`, whose networks go on learning: a critic tells their rows from training rows.

    Ends of paths are learned one by one, and what is left of the error is smooth where tables have edges and gaps. A
    critic (Goodfellow et al. 2014) sees rows as a whole. So each network moves its numbers to where the critic takes
    them for real, while the critic learns; classes keep what the network says of them, as in `Distilled`. For images
    the same is done to samplers of few steps by Sauer et al. 2023.

    Rows of held labels decide: where trees tell what comes out from held rows no less than what came in, the network
    stays as it was; so it does where there are no held rows, and where the two diverge.

    taught       how networks are taught before
    steps        of both networks, `batch_rows` drawn rows and as many training rows with the same labels each; the
                 critic has `ahead` more, before; `lr` falls linearly to 0, `critic_lr` stays
    penalty      of the critic's gradient, see `critic.telling`
    anchor       what the divergence of the classes from those of the network counts beside the critic
    width, bins  of the critic
    """

    taught: Distilled = field(default_factory=Distilled)
    steps: int = 1200
    ahead: int = 100
    batch_rows: int = 512
    lr: float = 5e-4
    critic_lr: float = 1e-3
    ema_decay: float = 0.99
    penalty: float = 0.1
    anchor: float = 10.0
    width: int = 256
    bins: int = 16

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("ahead", 0), ("batch_rows", 1), ("width", 1), ("bins", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")

    @property
    def update(self) -> Sampler:
        """What walks the paths that are taught."""
        return self.taught.update

    @property
    def grid(self) -> str:
        return self.taught.grid

    @property
    def starts(self) -> tuple[Start, ...]:
        """The generators whose rows paths may begin at."""
        return self.taught.starts

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """That of the taught networks."""
        return self.taught.path(setting, grid, K)

    def reached(self, K: int, seed: int) -> str:
        """The artifact that says where K evaluations begin."""
        return self.taught.reached(K, seed)

    def begin(self, setting: Setting, K: int) -> Begin:
        """Where paths begin."""
        return self.taught.begin(setting, K)

    def names(self, start: int, path: Steps, seed: int) -> tuple[str, ...]:
        """The artifacts of the networks of a path from this of the starts, in its order."""
        return tuple(f"refined-{digest(_Key(self, start, path[:k], seed))}" for k in range(1, len(path)))

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Teach a network for each time of the path and teach it further, or read them.

        Raises `Unsupported` as `Distilled` does.
        """
        start = self.begin(setting, len(path) - 1).start
        names = self.names(start, path, setting.seed)
        draw = self.starts[start].fit(setting)
        plain: list[Mapping[str, Tensor]] = [{}] * len(names)
        # A model that was saved with its networks has no rows, and needs none.
        if setting.train is not None or any(setting.artifacts.held(name) is None for name in names):
            plain = self.taught.networks(setting, path)  # not inside what follows, whose price is its own
        for name, t, own in zip(names, path, plain, strict=False):
            weights = setting.artifacts.tensors(name, partial(refine, self, setting, own, t, draw))
            draw = jumping(draw, using(setting, weights).until(t))
        return draw


@dataclass(frozen=True)
class _Key:
    """What determines a network of one fitted model."""

    settings: Refined
    start: int
    path: Steps
    seed: int
    version: int = VERSION


def refine(
    settings: Refined, setting: Setting, weights: Mapping[str, Tensor], t: int, before: Draw
) -> Mapping[str, Tensor]:
    """The weights of a network that jumps from t, taught further, or as they are where nothing shows that it pays.

    before  draws the clean rows that are noised to t
    """
    if setting.held is None or len(setting.held.x) < LEAST_ROWS or not setting.process.d_num:
        return weights
    found, judge = _trained(settings, setting, weights, t, before), Judge(setting)
    if not all(tensor.isfinite().all() for tensor in found.values()):
        return weights
    was, now = (judge.of(jumping(before, using(setting, of).until(t)))["c2st"] for of in (weights, found))
    gain = was - now
    return found if gain.mean() > standard_error(gain) else weights


def _trained(
    settings: Refined, setting: Setting, weights: Mapping[str, Tensor], t: int, before: Draw
) -> Mapping[str, Tensor]:
    """The moving average of the weights while the network and a critic learn."""
    denoiser, data = learned(setting), setting.training_rows()
    process = setting.process.until(t)
    network = copied(denoiser.network, weights).requires_grad_(True)
    average = copied(denoiser.network, weights)
    raw: list[Tensor] = list(network.parameters())
    ema: list[Tensor] = list(average.parameters())
    student = replace(process, denoiser=denoiser.using(network))
    with seeded(setting.seed):
        critic = Critic(data, process.blocks, settings.width, settings.bins)
    ours = torch.optim.Adam(raw, settings.lr, BETAS)
    theirs = torch.optim.Adam(critic.parameters(), settings.critic_lr, BETAS)
    generator = stream(setting.seed, 7002, t)
    size = min(settings.batch_rows, len(data.x))
    training = Training(settings.steps, size, settings.lr, 0.0, settings.ema_decay, ema_warmup=10)
    for step in range(-settings.ahead, settings.steps):
        real = taken(data, torch.randperm(len(data.x), generator=generator)[:size].to(data.x.device))
        place = settings.taught.pairs + (step + settings.ahead) * size
        noise = setting.process.noise(setting.seed, place, size).apart(process.d_num)  # not that of any draw
        with torch.no_grad():
            begin = process.noised(before(noise, real.y), noise)
        with torch.enable_grad():
            said = student.predict(begin, t, clip_x0=True)
            drawn = State(
                said.x0_hat, process.stay_or_jump(said.scores.detach(), begin.c, t, 0, noise), begin.y
            )
            descended(
                theirs, telling(critic, real, State(drawn.x.detach(), drawn.c, drawn.y), settings.penalty)
            )
            if step < 0:
                continue
            loss = told(critic, drawn)
            if process.blocks.width:
                loss = loss + settings.anchor * divergence(said.scores, process, begin)
            ours.param_groups[0]["lr"] = settings.lr * (1 - step / settings.steps)
            descended(ours, loss)
        with torch.no_grad():
            torch._foreach_lerp_(ema, raw, 1 - training.decay(step))
        if setting.progress is not None and (step + 1) % max(1, settings.steps // 100) == 0:
            setting.progress(step + 1, settings.steps, loss.item())
    return average.state_dict()
