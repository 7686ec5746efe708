"""Our own diffusion: TabDDPM's process, on a representation and with a network that few steps can draw from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import pandas as pd
import torch
from torch import Tensor

from tabstep.data.encode import Encoder
from tabstep.data.scales import Normalization
from tabstep.data.settings import later
from tabstep.data.table import Schema
from tabstep.diffusion import objective
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Denoiser, State, stacked, taken
from tabstep.diffusion.model import Architecture, Body
from tabstep.diffusion.noise import stream
from tabstep.diffusion.schedule import Schedule
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.train import Loss, Training

if TYPE_CHECKING:
    import optuna

FEWEST_HELD, MOST_HELD = 20, 1000
HELD_DRAWS = 4096


@dataclass(frozen=True)
class TabStep(TabDDPM):
    """TabDDPM in parts that can each be switched off; with all of them off it is TabDDPM (see docs/recipe.md).

    normalization "ranks" spreads rows of one value over the ranks that it holds (`data.ranks`)
    head          what the network says of numbers, see `diffusion.head`
    signal_floor  squared errors of the velocity weigh max(abar_t, signal_floor); 0 is the squared error of the noise
    balance       "columns": every column counts the same, a category by its bound over its entropy; "kinds": numbers
                  together as much as categories together, as in TabDDPM
    times         how the times of a batch are drawn, see `diffusion.objective`
    body          the network, see `diffusion.residual`
    frequencies   periodic features of each number that it sees
    ema_warmup    the average forgets faster at first, see `diffusion.train.Training`; 1 is none
    levels        number columns with at most so many distinct values are classes (`data.encode`)
    held_share    of the training rows, MOST_HELD at most, that are not trained on and say which average is taken (see
                  `diffusion.train.Kept`); fewer than FEWEST_HELD rows are none, and the last average is taken
    patience      the share of the training after which it ends where no average was as good
    seconds       of the clock to train for, in place of `steps`; how many steps that makes depends on the machine
    """

    layers: tuple[int, ...] = (256, 256, 256)
    lr: float = 2e-3
    batch_size: int = 256
    steps: int = 16_000
    weights: Literal["raw", "ema"] = "ema"
    normalization: Normalization = "ranks"  # TabDDPM: quantile
    head: Literal["eps", "v"] = "v"  # TabDDPM: eps
    signal_floor: float = 0.1  # TabDDPM: 0
    balance: objective.Balance = "columns"  # TabDDPM: kinds
    times: objective.Times = "stratified"  # TabDDPM: uniform
    body: Body = "residual"  # TabDDPM: plain
    frequencies: int = 8  # TabDDPM: 0
    ema_warmup: int = 10  # TabDDPM: 1
    held_share: float = 0.1  # TabDDPM: 0
    patience: float = 0.2
    seconds: float | None = None
    levels: int = field(default=12, metadata=later(0))  # TabDDPM: 0

    USUAL: ClassVar[dict[str, Any]] = {
        "batch_size": 256,
        "log2_seen": 22,
        "width": 256,
        "depth": 3,
        "lr": 2e-3,
        "frequencies": 8,
        "signal_floor": 0.1,
        "levels": 12,
    }
    """The point of the space of `suggest` that is next to the default."""

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """How much is learned, and of what: rows that are seen, in how large batches, by which network and loss.

        At most four times the arithmetic of the default; every layer has the same width, so that each adds to the last.
        """
        batch_size = trial.suggest_categorical("batch_size", [128, 256, 512, 1024])
        seen = 2 ** trial.suggest_int("log2_seen", 20, 22)
        width = trial.suggest_categorical("width", [128, 256, 384])
        return cls(
            batch_size=batch_size,
            steps=seen // batch_size,
            layers=(width,) * trial.suggest_int("depth", 2, 4),
            lr=trial.suggest_float("lr", 5e-4, 5e-3, log=True),
            frequencies=trial.suggest_categorical("frequencies", [0, 4, 8, 16]),
            signal_floor=trial.suggest_categorical("signal_floor", [0.03, 0.1, 0.3, 1.0]),
            levels=trial.suggest_categorical("levels", [0, 12]),
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.signal_floor <= 1:
            raise ValueError(f"signal_floor must be in [0, 1], got {self.signal_floor}")
        if self.frequencies < 0:
            raise ValueError(f"frequencies must be at least 0, got {self.frequencies}")
        if self.frequencies and self.body == "plain":
            raise ValueError("frequencies need body='residual'; set frequencies=0 for the plain one")
        if self.head == "eps" and self.signal_floor > 0:
            raise ValueError(
                "signal_floor needs head='v': an error of the noise at t = T is 2e4 times one of v"
            )
        if self.levels < 0:
            raise ValueError(f"levels must be at least 0, got {self.levels}")
        if not 0 <= self.held_share < 1:
            raise ValueError(f"held_share must be in [0, 1), got {self.held_share}")
        if self.held_share and self.weights == "raw":
            raise ValueError("held_share judges averages; with weights='raw' set held_share=0")
        if not 0 < self.patience <= 1:
            raise ValueError(f"patience must be in (0, 1], got {self.patience}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be positive, got {self.seconds}")

    def encoder(self, train: pd.DataFrame, schema: Schema) -> Encoder:
        return Encoder.fit(
            train, schema, normalization=self.normalization, rounding=self.rounding, levels=self.levels
        )

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            self.layers,
            self.dropout,
            self.cat_input,
            head=self.head,
            body=self.body,
            frequencies=self.frequencies,
        )

    @property
    def training(self) -> Training:
        return Training(
            self.steps,
            self.batch_size,
            self.lr,
            self.weight_decay,
            self.ema_decay,
            self.ema_warmup,
            self.seconds,
            self.patience,
        )

    def held_rows(self, n: int) -> int:
        held = min(round(self.held_share * n), MOST_HELD)
        return held if held >= FEWEST_HELD else 0

    def held(self, data: State, seed: int) -> tuple[State, State | None]:
        """Rows to train on, and others as often as makes their loss steady, with other noise each time."""
        n = self.held_rows(len(data.x))
        if not n:
            return data, None
        order = torch.randperm(len(data.x), generator=stream(seed, 1002)).to(data.x.device)
        held, kept = (taken(data, part) for part in (order[:n], order[n:].sort().values))
        return kept, stacked([held] * max(1, HELD_DRAWS // n))

    def loss(self, denoiser: Denoiser, schedule: Schedule, blocks: Blocks, data: State) -> Loss:
        """The training loss of a batch, with weights by the columns of `data`."""
        weights = objective.weights(self.balance, data, blocks)
        times = objective.TIMES[self.times]

        def loss(batch: State, generator: torch.Generator) -> tuple[Tensor, ...]:
            eps = torch.randn(batch.x.shape, generator=generator).to(batch.x)
            t = times(len(batch.x), schedule.T, generator).to(batch.x.device)
            return objective.balanced_loss(
                denoiser,
                batch,
                t,
                schedule,
                blocks,
                eps=eps,
                signal_floor=self.signal_floor,
                weights=weights,
                generator=generator,
            )

        return loss
