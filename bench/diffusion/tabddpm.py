"""TabDDPM as a method of the harness."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import pandas as pd
import torch
from torch import Tensor, nn

from tabstep.data import settings
from tabstep.data.encode import Encoder, Rounding
from tabstep.data.scales import Normalization
from tabstep.data.table import Schema
from tabstep.diffusion import schedule as schedules
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import CatInput
from tabstep.diffusion.initial import seeded
from tabstep.diffusion.loss import tabddpm_loss
from tabstep.diffusion.mixed import Denoiser, State
from tabstep.diffusion.model import Architecture, Diffusion, build, reads
from tabstep.diffusion.noise import stream
from tabstep.diffusion.train import Loss, Progress, Training, fit
from tabstep.diffusion.width import warn_of_many_levels

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class TabDDPM:
    """Gaussian and multinomial diffusion on mixed tables (Kotelnikov et al. 2023).

    Where a choice changes numbers it is a field; the reference's value stands beside it.
    """

    T: int = 1000  # reference: tuned, 100 or 1000
    schedule: schedules.ScheduleName = "cosine"  # reference: cosine in every published run
    layers: tuple[int, ...] = (512, 512)  # reference: tuned, 2 to 8 layers of 128 to 1024
    dropout: float = 0.0  # reference: 0
    lr: float = 1e-3  # reference: tuned, 1e-5 to 3e-3
    weight_decay: float = 0.0  # reference: 0
    batch_size: int = 4096  # reference: 256 or 4096
    steps: int = 5000  # reference: 5000 to 30000
    weights: Literal["raw", "ema"] = "raw"  # reference: raw; its moving average is saved and never used
    ema_decay: float = 0.999  # reference: 0.999
    normalization: Normalization = "quantile"  # reference: quantile; minmax on `default`
    rounding: Rounding = "integers"  # reference: "reference", which leaves most integer columns fractional
    cat_input: CatInput = "onehot"  # reference: logonehot, an affine map of the one-hot
    learned_variance: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("T", "batch_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.layers or min(self.layers) < 1:
            raise ValueError(f"layers must be positive widths, got {self.layers}")
        if not self.lr > 0:
            raise ValueError(f"lr must be positive, got {self.lr}")

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """The search space of the paper's tuning script."""
        width = [128, 256, 512, 1024]
        middle = 2 * trial.suggest_int("layer_pairs", 1, 4) - 2
        first = trial.suggest_categorical("first_width", width)
        shared = trial.suggest_categorical("middle_width", width) if middle else 0
        last = trial.suggest_categorical("last_width", width)
        return cls(
            T=trial.suggest_categorical("T", [100, 1000]),
            layers=(first, *[shared] * middle, last),
            lr=trial.suggest_float("lr", 1e-5, 3e-3, log=True),
            batch_size=trial.suggest_categorical("batch_size", [256, 4096]),
            steps=trial.suggest_categorical("steps", [5000, 20000, 30000]),
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name, as `sklearn.base.clone` asks for them; none of them has settings itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def last(self) -> int:
        """The last time that the network is trained on, the first of the longest path."""
        return self.T

    @property
    def architecture(self) -> Architecture:
        """The network that is trained."""
        return Architecture(self.layers, self.dropout, self.cat_input, self.learned_variance)

    @property
    def training(self) -> Training:
        """How it is trained."""
        return Training(self.steps, self.batch_size, self.lr, self.weight_decay, self.ema_decay)

    def loss(self, denoiser: Denoiser, schedule: schedules.Schedule, blocks: Blocks, data: State) -> Loss:
        """The training loss of a batch of `data`, at uniformly drawn times."""
        head = self.architecture.head

        def loss(batch: State, generator: torch.Generator) -> tuple[Tensor, ...]:
            device = batch.x.device
            eps = torch.randn(batch.x.shape, generator=generator, device=generator.device).to(device)
            t = torch.randint(1, schedule.T + 1, (len(batch.x),), generator=generator).to(device)
            return tabddpm_loss(denoiser, batch, t, schedule, blocks, eps=eps, generator=generator, head=head)

        return loss

    def held_rows(self, n: int) -> int:
        """How many of n training rows are not trained on, and say which average is best."""
        return 0

    def held(self, data: State, seed: int) -> tuple[State, State | None]:
        """The rows to train on, and rows that say which average is best: none, the last one is taken."""
        return data, None

    def encoder(self, train: pd.DataFrame, schema: Schema) -> Encoder:
        """What the network sees of a row, learned from the training rows."""
        return Encoder.fit(train, schema, normalization=self.normalization, rounding=self.rounding)

    def fit(
        self,
        train: pd.DataFrame,
        schema: Schema,
        *,
        seed: int,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> Diffusion:
        """Train on complete rows. Raises `train.Diverged` when the loss stops being finite."""
        encoder = self.encoder(train, schema)
        warn_of_many_levels(encoder.categories, min(self.batch_size, len(train)))
        x, c, y = encoder.encode(train)
        data = State(x.to(device), c.to(device), None if y is None else y.to(device))
        schedule = schedules.make(self.schedule, self.T).until(self.last)
        architecture = self.architecture
        with ExitStack() as drawing:
            drawing.enter_context(seeded(seed))
            network = build(encoder, architecture).to(device)
            if not self.dropout:  # which draws from the global generator too, all through the training
                drawing.close()
            blocks = Blocks(encoder.sizes)
            curve: list[tuple[int, float, float | None]] = []
            judged: list[float] = []

            def told(step: int, steps: int, loss: float) -> None:
                curve.append((step, loss, judged[-1] if judged else None))
                if progress is not None:
                    progress(step, steps, loss)

            def loss_of(module: nn.Module) -> Loss:
                return self.loss(reads(module, blocks, architecture, schedule), schedule, blocks, kept)

            def judge(module: nn.Module) -> float:
                assert held is not None
                with torch.no_grad():  # always the same times and noise
                    judged.append(float(torch.stack(loss_of(module)(held, stream(seed, 1001))).sum()))
                return judged[-1]

            kept, held = self.held(data, seed)
            average = fit(
                network,
                loss_of(network),
                kept,
                self.training,
                generator=stream(seed, 1000),
                progress=told,
                judge=None if held is None else judge,
            )
        if self.weights == "ema":
            network.load_state_dict(average)
        counts = (
            torch.bincount(y, minlength=len(encoder.classes))
            if y is not None
            else torch.empty(0, dtype=torch.int64)
        )
        return Diffusion(
            encoder,
            schedule,
            network.requires_grad_(False),
            architecture,
            x.amin(0).to(device) if x.shape[1] else x.new_empty(0, device=device),
            x.amax(0).to(device) if x.shape[1] else x.new_empty(0, device=device),
            counts,
            settings.told(self),
            tuple(curve),
        )
