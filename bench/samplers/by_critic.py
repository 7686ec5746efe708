"""A few numbers of a sampler, learned from a critic: it sees edges and gaps, which a distance of kernels smooths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tabstep.diffusion.initial import seeded
from tabstep.diffusion.mixed import State, taken
from tabstep.diffusion.noise import Noise, stream
from tabstep.samplers.critic import BETAS, Critic, descended, telling, told
from tabstep.samplers.ddss import Feature, drawing, objective
from tabstep.samplers.judged import Judge, standard_error
from tabstep.samplers.row_network import RowFeatures
from tabstep.samplers.setting import Setting

Numbers = Mapping[str, Tensor]

Rows = Callable[[Numbers, Noise, "Tensor | None"], tuple[Tensor, Tensor]]
"""Clean numbers (n, d_num) and one-hot classes (n, sum K) of a sampler with these numbers, with a gradient to them."""


@dataclass(frozen=True)
class ByCritic:
    """A search by gradient: a critic tells rows from training rows (Goodfellow et al. 2014), a distance holds on.

    A critic alone can be fooled in turn, and a distance alone is fitted where its kernels look: MMD falls while trees
    tell rows apart better than before. Together they bring what trees see down.

    weight       of the distance of `ddss.objective` on these `features`, beside the critic's loss
    steps        of both sides, `batch_rows` drawn rows and as many training rows with the same labels each; the critic
                 has `ahead` more, before; `lr` falls linearly to 0, `critic_lr` stays
    check_every  steps the moving average of the numbers is judged by held rows
    penalty      of the critic's gradient, see `critic.telling`
    width, bins  of the critic
    """

    features: tuple[Feature, ...] = ("rows", "network")
    network: RowFeatures = field(default_factory=RowFeatures)
    weight: float = 10.0
    steps: int = 600
    ahead: int = 100
    batch_rows: int = 512
    lr: float = 1e-2
    critic_lr: float = 1e-3
    ema_decay: float = 0.98
    check_every: int = 150
    penalty: float = 0.1
    width: int = 256
    bins: int = 16

    def __post_init__(self) -> None:
        for name, least in (
            ("steps", 1),
            ("ahead", 0),
            ("batch_rows", 1),
            ("check_every", 1),
            ("width", 1),
            ("bins", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")

    def prepare(self, setting: Setting) -> None:
        """Train the network of the features, whose price is not that of a search."""
        objective(self.features, self.network, setting)

    def search(
        self,
        setting: Setting,
        begins: Sequence[Numbers],
        rows: Rows,
        *,
        learned: Sequence[str],
        project: Callable[[Numbers], None],
    ) -> Mapping[str, Tensor]:
        """The numbers whose rows trees tell least from held ones with the same labels.

        begins   numbers that are known; the descent goes on from the last, and moves those `learned`
        project  brings numbers back to where they make sense, in place, after every step

        The first of the begins gives way only to what is better by more than one standard error. Returns beside them
        `checked` (c,), steps, 0 for the begins, and `c2st` (c,), the area under the curve above one half.
        """
        judge, process = Judge(setting), setting.process

        def seen(numbers: Numbers) -> Tensor:
            draw = drawing(process, lambda noise, y: rows(numbers, noise, y))
            return torch.from_numpy(judge.of(draw)["c2st"])

        tried = [(0, dict(begin), seen(begin)) for begin in begins]
        tried += [
            (step, found, seen(found))
            for step, found in self._descent(setting, begins[-1], rows, learned, project)
        ]
        best = min(tried, key=lambda way: float(way[2].mean()))
        gain = (tried[0][2] - best[2]).numpy()
        chosen = best[1] if gain.mean() > standard_error(gain) else tried[0][1]
        return chosen | {
            "checked": torch.tensor([step for step, _, _ in tried]),
            "c2st": torch.stack([area.mean() for _, _, area in tried]),
        }

    def _descent(
        self,
        setting: Setting,
        begin: Numbers,
        rows: Rows,
        learned: Sequence[str],
        project: Callable[[Numbers], None],
    ) -> list[tuple[int, dict[str, Tensor]]]:
        """The moving average of the numbers at every check, with the step."""
        process, data = setting.process, setting.training_rows()
        device = process.x_min.device
        numbers = {name: value.detach().clone().to(device) for name, value in begin.items()}
        moving = [numbers[name].requires_grad_() for name in learned if numbers[name].numel()]
        if not moving:  # one evaluation has no update to learn
            return []
        average = {name: value.detach().clone() for name, value in numbers.items()}
        distance = objective(self.features, self.network, setting)
        with seeded(setting.seed):
            critic = Critic(data, process.blocks, self.width, self.bins)
        ours = torch.optim.Adam(moving, self.lr)
        theirs = torch.optim.Adam(critic.parameters(), self.critic_lr, BETAS)
        generator = stream(setting.seed, 6001)
        size = min(self.batch_rows, len(data.x))
        found = []
        for step in range(-self.ahead, self.steps):
            real = taken(data, torch.randperm(len(data.x), generator=generator)[:size].to(device))
            noise = process.noise(setting.seed, (step + self.ahead) * size, size).apart(process.d_num)
            with torch.set_grad_enabled(step >= 0):
                x, one_hot = rows(numbers, noise, real.y)
            with torch.enable_grad():
                descended(
                    theirs, telling(critic, real, State(x.detach(), one_hot.detach(), real.y), self.penalty)
                )
                if step < 0:
                    continue
                loss = told(critic, State(x, one_hot, real.y)) + self.weight * distance(
                    x, one_hot, real.y, real
                )
                ours.param_groups[0]["lr"] = self.lr * (1 - step / self.steps)
                if not loss.requires_grad:
                    break
                ours.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(moving, 1.0)
                ours.step()
                project(numbers)
            with torch.no_grad():
                for name, value in average.items():
                    value.lerp_(numbers[name].detach(), 1 - self.ema_decay)
            if setting.progress is not None and (step + 1) % max(1, self.steps // 100) == 0:
                setting.progress(step + 1, self.steps, loss.item())
            if (step + 1) % self.check_every == 0 or step + 1 == self.steps:
                found.append((step + 1, {name: value.clone() for name, value in average.items()}))
        return [
            (step, each) for step, each in found if all(value.isfinite().all() for value in each.values())
        ]
