"""DDSS: the coefficients of a few-step sampler, learned by a gradient through the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from tabstep.data.settings import later
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.noise import Noise, stream
from tabstep.samplers import ggdm
from tabstep.samplers.kernel import kernel_widths, row_features, squared_mean_distance, squared_mmd
from tabstep.samplers.row_network import RowFeatures
from tabstep.samplers.setting import Setting, Steps, digest, few_from_noise

VERSION = 2  # raise when the same model and rows give other coefficients

DRAWS = (
    4  # rows drawn for a held-out one: with one, what decides which check is best is the noise of the draw
)

Feature = Literal["rows", "network"]

Objective = Callable[[Tensor, Tensor, "Tensor | None", State], Tensor]
"""Distance of drawn rows, x (n, d_num), one_hot (n, sum K) and their labels, from real ones with the same labels."""


@dataclass(frozen=True)
class DDSS:
    """Generalised Gaussian sampler whose coefficients are learned, DDSS (Watson et al. 2022); begins as DDIM.

    learn       what is learned: the update's coefficients, the prediction's (+PRED), the network's times (+TIME),
                and what decides about categories
    features    of the rows whose distributions are brought together: the rows themselves, and the last hidden layer
                of a network that completes rows
    steps       of Adam, each with `batch_rows` drawn and as many training rows; every `check_every` the distance on
                held-out rows is measured, the best parameters are kept, and after `patience` checks without a better
                one it ends
    most        evaluations that this is done for: the price grows with them, and what is to gain falls
    marginal    which marginals make clean numbers of predicted noise, see `ggdm.Marginal`
    """

    learn: tuple[ggdm.Part, ...] = ("update", "prediction", "time", "categories")
    features: tuple[Feature, ...] = ("rows", "network")
    network: RowFeatures = field(default_factory=RowFeatures)
    steps: int = 500
    batch_rows: int = 512
    lr: float = 1e-2
    check_every: int = 100
    patience: int = 3
    held_rows: int = 1024
    clip_x0: bool = True
    most: int = 20
    marginal: ggdm.Marginal = field(default="forward", metadata=later("forward"))
    grid: ClassVar[str] = "trailing"

    def __post_init__(self) -> None:
        for part in self.learn:
            if part not in ggdm.PARTS:
                raise ValueError(f"learn must be of {', '.join(ggdm.PARTS)}, got {part!r}")
        if not self.features or set(self.features) - {"rows", "network"}:
            raise ValueError(f"features must be of rows, network, got {self.features}")

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Learn the coefficients of this path, or read them; raises as `coefficients` does."""
        offsets = self.coefficients(setting, path)
        return drawing(setting.process, lambda noise, y: self.rows(setting.process, path, offsets, noise, y))

    def coefficients(self, setting: Setting, path: Steps) -> ggdm.Parameters:
        """Those of this path, learned or read.

        Raises `Unsupported` without training or held-out rows, for more than `most` evaluations, and for a path that
        does not begin in noise.
        """
        K, process = len(path) - 1, setting.process
        few_from_noise("coefficients", self.most, setting, path)
        distance = objective(
            self.features, self.network, setting
        )  # not inside the search, whose price is its own
        name = f"ddss-{K}-{digest(_Key(self, path, setting.seed))}"
        found = setting.artifacts.tensors(name, lambda: search(self, setting, path, distance))
        return {key: found[key].to(process.x_min.device) for key in ggdm.ddim_offsets(K)}

    def rows(
        self, process: Process, path: Steps, offsets: ggdm.Parameters, noise: Noise, y: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Clean numbers (n, d_num) and one-hot classes (n, sum K) along the path."""
        return ggdm.denoise(
            process,
            path,
            offsets,
            process.prior(noise, y),
            [ggdm.step_noise(noise) for _ in path[:-1]],
            clip_x0=self.clip_x0,
            move_times="time" in self.learn,
            marginal=self.marginal,
        )


@dataclass(frozen=True)
class _Key:
    """What determines the coefficients of one fitted model."""

    settings: DDSS
    path: Steps
    seed: int
    version: int = VERSION


def drawing(process: Process, rows: Callable[[Noise, Tensor | None], tuple[Tensor, Tensor]]) -> Draw:
    """Draw what `rows` gives as numbers and one-hot classes, without a gradient."""

    def draw(noise: Noise, y: Tensor | None) -> State:
        with torch.no_grad():
            x, one_hot = rows(noise, y)
        classes = [view.argmax(-1) for _, view in process.blocks.each(one_hot)]
        c = torch.cat(classes, 1) if classes else one_hot.new_empty(len(x), 0, dtype=torch.int64)
        return State(x, c, y)

    return draw


def objective(features: tuple[Feature, ...], rows: RowFeatures, setting: Setting) -> Objective:
    """The sum over kinds of features of unbiased squared distances; labels, where there are, belong to the features.

    On the network's features means count by themselves too (a linear kernel); on the rows that would see nothing but
    the means of columns.
    """
    data, blocks = setting.training_rows(), setting.process.blocks
    classes = 0 if data.y is None else int(data.y.max()) + 1
    network = None
    if "network" in features:
        name = f"row-network-{digest(rows)}-{setting.seed}"
        weights = setting.artifacts.tensors(name, lambda: rows.train(data, blocks, seed=setting.seed))
        network = rows.restore(weights, data, blocks)

    def spaces(x: Tensor, one_hot: Tensor, y: Tensor | None) -> list[Tensor]:
        found = [row_features(x, one_hot, y, classes)] if "rows" in features else []
        if network is not None:
            found.append(row_features(network(x, one_hot), one_hot[:, :0], y, classes))
        return found

    def of(real: State) -> list[Tensor]:
        return spaces(real.x, blocks.one_hot(real.c, real.x.dtype), real.y)

    with torch.no_grad():
        widths = [kernel_widths(points) for points in of(data)]

    def distance(x: Tensor, one_hot: Tensor, y: Tensor | None, real: State) -> Tensor:
        drawn, wanted = spaces(x, one_hot, y), of(real)
        total = sum(map(squared_mmd, drawn, wanted, widths), x.new_zeros(()))
        return total if network is None else total + squared_mean_distance(drawn[-1], wanted[-1])

    return distance


def search(settings: DDSS, setting: Setting, path: Steps, distance: Objective) -> Mapping[str, Tensor]:
    """Parameters with the least distance from held-out rows that the descent came by; DDIM's are among them.

    Beside them the course of it: `checked` (c,) steps, and `distances` (c,) from held-out rows, the first of DDIM. Real
    and drawn rows of a batch have the same labels.
    """
    process, data, held = setting.process, setting.training_rows(), setting.rows(settings.held_rows)
    device = process.x_min.device
    offsets = {name: value.to(device) for name, value in ggdm.ddim_offsets(len(path) - 1).items()}
    learned = [offsets[name].requires_grad_() for part in settings.learn for name in ggdm.PARTS[part]]
    # One evaluation has no update to learn, and a table without numbers none that matters: then DDIM's remain.
    moving = [p for p in learned if p.numel()]
    steps = settings.steps if moving else 0
    optimizer = torch.optim.Adam(moving or learned, lr=settings.lr)
    size = min(settings.batch_rows, len(data.x))
    generator = stream(setting.seed, 6000)

    def noise(start: int, n: int) -> Noise:
        return process.noise(setting.seed, start, n).apart(process.d_num)  # not that of any draw

    def measure() -> float:
        n = len(held.x)
        with torch.no_grad():
            fixed = noise(0, DRAWS * n).apart(process.d_num)
            y = None if held.y is None else held.y.repeat(DRAWS)
            x, one_hot = settings.rows(process, path, offsets, fixed, y)
            draws = zip(x.split(n), one_hot.split(n), strict=True)
            return sum(float(distance(*rows, held.y, held)) for rows in draws) / DRAWS

    checked, distances = [0], [measure()]
    best = {name: value.detach().clone() for name, value in offsets.items()}
    with torch.enable_grad():
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = settings.lr * (1 - step / steps)
            pick = torch.randperm(len(data.x), generator=generator)[:size].to(device)
            real = State(data.x[pick], data.c[pick], None if data.y is None else data.y[pick])
            optimizer.zero_grad(set_to_none=True)
            rows = settings.rows(process, path, offsets, noise(step * size, size), real.y)
            apart = distance(*rows, real.y, real)
            if not apart.requires_grad:
                break
            apart.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(moving, 1.0)
            optimizer.step()
            ggdm.project(offsets)
            if (step + 1) % settings.check_every == 0 or step + 1 == steps:
                checked.append(step + 1)
                distances.append(measure())
                if distances[-1] < min(distances[:-1]):
                    best = {name: value.detach().clone() for name, value in offsets.items()}
                if len(distances) - 1 - distances.index(min(distances)) >= settings.patience:
                    break
    course = {
        "checked": torch.tensor(checked),
        "distances": torch.tensor(distances, dtype=torch.float64),
    }
    return best | course
