"""A fitted diffusion: process, encoder and labels together; rows out of a prepared sampler; save and load."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from tabstep.data import artifact, settings
from tabstep.data.encode import Encoder
from tabstep.diffusion import gaussian
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import MLP, CatInput, NetworkDenoiser
from tabstep.diffusion.head import Head, HeadDenoiser
from tabstep.diffusion.labels import Random
from tabstep.diffusion.mixed import Denoiser, Draw, Learned, Process, State, stacked
from tabstep.diffusion.residual import ResidualMLP
from tabstep.diffusion.schedule import Schedule
from tabstep.diffusion.width import batch_rows
from tabstep.named import MODEL

Body = Literal["plain", "residual"]
FORMAT = 3
FILE = MODEL
BESIDE = "beside."  # begins the names of tensors that are not the model's own


@dataclass
class Counted:
    """A denoiser that counts evaluated rows, so that nfe = rows / n is counted and never derived."""

    denoiser: Learned
    rows: int = 0

    @property
    def network(self) -> nn.Module:
        return self.denoiser.network

    def using(self, network: nn.Module) -> Denoiser:
        """The same around another network: its rows are counted here."""
        other = self.denoiser.using(network)

        def counted(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
            self.rows += len(x)
            return other(x, c, t, y)

        return counted

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        self.rows += len(x)
        return self.denoiser(x, c, t, y)


@dataclass(frozen=True)
class Architecture:
    """What is needed to build the network again.

    head         what it says of the numbers
    body         the network itself: `denoiser.MLP` or `residual.ResidualMLP`
    frequencies  periodic features of each number that a residual one sees
    variance     what its variance fractions mean, see `gaussian.LEARNED`
    """

    layers: tuple[int, ...]
    dropout: float
    cat_input: CatInput
    learned_variance: bool = False
    head: Head = "eps"
    body: Body = "plain"
    frequencies: int = 0
    variance: gaussian.Learned = field(default="range", metadata=settings.later("range"))


class Generated(NamedTuple):
    """Decoded rows and the network evaluations that each of them took."""

    rows: pd.DataFrame
    nfe: float


@dataclass(frozen=True, eq=False)
class Diffusion:
    """One fitted denoiser; it serves every sampler and every budget.

    class_counts  (classes,) training counts of each label, for classification; empty for regression
    method        the settings that it was fitted with, for the record
    curve         (step, loss, loss on held rows or None) about every hundredth of the training, the last at its end
    """

    encoder: Encoder
    schedule: Schedule
    network: nn.Module
    architecture: Architecture
    x_min: Tensor
    x_max: Tensor
    class_counts: Tensor
    method: dict[str, Any] = field(default_factory=dict)
    curve: tuple[tuple[int, float, float | None], ...] = ()

    @cached_property
    def process(self) -> Process:
        blocks = Blocks(self.encoder.sizes)
        denoiser = Counted(reads(self.network, blocks, self.architecture, self.schedule))
        a = self.architecture
        learned = gaussian.LEARNED[a.variance] if a.learned_variance else None
        return Process(self.schedule, blocks, denoiser, self.x_min, self.x_max, learned)

    @property
    def device(self) -> torch.device:
        return self.x_min.device

    def to(self, device: str) -> Diffusion:
        """The same model on another device."""
        return replace(
            self, network=self.network.to(device), x_min=self.x_min.to(device), x_max=self.x_max.to(device)
        )

    def double(self) -> Diffusion:
        """The same model in float64, for inversions."""
        network = copy.deepcopy(self.network).double()
        return replace(self, network=network, x_min=self.x_min.double(), x_max=self.x_max.double())

    def encode(self, frame: pd.DataFrame) -> State:
        """Encoded rows on the model's device."""
        x, c, y = self.encoder.encode(frame)
        return State(x.to(self.x_min), c.to(self.device), None if y is None else y.to(self.device))

    def labels(self, n: int, seed: int) -> Tensor | None:
        """n labels, drawn from the training class frequencies; the same for every sampler at a seed."""
        if not len(self.class_counts):
            return None
        return Random(self.class_counts, seed).take(n).to(self.device)

    @property
    def batch_rows(self) -> int:
        """Rows denoised at once, by their width."""
        return batch_rows(self.encoder.d_num + sum(self.encoder.sizes))

    @torch.inference_mode()
    def denoise(self, draw: Draw, n: int, *, seed: int, batch_rows: int | None = None) -> State:
        """Draw n encoded rows: labels and noise by the seed alone, in batches."""
        size = self.batch_rows if batch_rows is None else batch_rows
        y = self.labels(n, seed)
        parts = [
            self.batch(draw, i, min(size, n - i), None if y is None else y[i : i + size], seed=seed)
            for i in range(0, n, size)
        ]
        return stacked(parts)

    @torch.inference_mode()
    def batch(self, draw: Draw, start: int, n: int, y: Tensor | None, *, seed: int) -> State:
        """The encoded rows start .. start + n of the draw with this seed, at once; y (n,) are their labels.

        Raises ValueError where they are no such rows, as of a sampler that is not ours.
        """
        rows = draw(self.process.noise(seed, start, n), None if y is None else y.to(self.device))
        if wrong := self._wrong(rows, n):
            raise ValueError(f"a sampler gave what are no rows: {wrong}")
        return rows

    def _wrong(self, rows: Any, n: int) -> str | None:
        """What is wrong with n encoded rows; None where nothing is."""
        if not (isinstance(rows, State) and isinstance(rows.x, Tensor) and isinstance(rows.c, Tensor)):
            return f"a State of tensors is wanted, got {type(rows).__name__}"
        sizes = self.process.blocks.counts(rows.c.device)
        if len(rows.x) != n or len(rows.c) != n:
            return f"asked for {n} rows, got {len(rows.x)}"
        if rows.x.shape[1:] != (self.encoder.d_num,) or rows.c.shape[1:] != sizes.shape:
            return f"x of {tuple(rows.x.shape)} and c of {tuple(rows.c.shape)}"
        if not rows.x.isfinite().all():
            return "numbers that are NaN or infinite"
        if rows.c.is_floating_point() or ((rows.c < 0) | (rows.c >= sizes)).any():
            return "classes that there are not"
        classes = len(self.class_counts)
        y = rows.y
        if (y is None) != (classes == 0) or (
            y is not None and (y.shape != (n,) or ((y < 0) | (y >= classes)).any())
        ):
            return "labels that there are not"
        return None

    def generate(self, draw: Draw, n: int, *, seed: int, batch_rows: int | None = None) -> Generated:
        """Draw n rows and decode them."""
        counter = self.process.denoiser
        assert isinstance(counter, Counted)
        before = counter.rows
        rows = self.encoder.decode(*self.denoise(draw, n, seed=seed, batch_rows=batch_rows))
        return Generated(rows, (counter.rows - before) / n)

    def save(
        self, folder: Path, table: Mapping[str, Any] | None = None, beside: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write `FILE` into a folder, whole or not at all; `table` and `beside` are what a user's table needs."""
        text, tensors = self._content(table)
        more = {f"{BESIDE}{name}": tensor for name, tensor in (beside or {}).items()}
        artifact.write(folder / FILE, text, tensors | more)

    @property
    def digest(self) -> str:
        """SHA-256 of all that `save` writes of the model itself."""
        text, tensors = self._content(None)
        return artifact.digest(json.dumps(text, sort_keys=True), {k: v.cpu() for k, v in tensors.items()})

    def _content(self, table: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Tensor]]:
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {
            "alpha_bar": self.schedule.alpha_bar,
            "x_min": self.x_min,
            "x_max": self.x_max,
            "class_counts": self.class_counts,
        }
        tensors |= {
            f"scale.{name}": torch.from_numpy(found) for name, found in self.encoder.scale.arrays.items()
        }
        text = {
            "format": FORMAT,
            "architecture": settings.told(self.architecture),
            "encoder": self.encoder.to_json(),
            "method": self.method,
            "curve": self.curve,
            "table": table,
        }
        return text, tensors

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Diffusion:
        """Read what `save` wrote. Nothing in it is executed. Raises ValueError on another format, or a damaged file."""
        return Saved.read(folder).model(device)

    @classmethod
    def of(cls, text: Mapping[str, Any], tensors: dict[str, Tensor], device: str) -> Diffusion:
        """The inverse of what is written; see `Saved`."""
        architecture = settings.built(Architecture, text["architecture"])
        arrays = {k.removeprefix("scale."): v.numpy() for k, v in tensors.items() if k.startswith("scale.")}
        encoder = Encoder.from_json(text["encoder"], arrays)
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        with torch.device("meta"):  # what the text asks for takes no memory before it is what the weights are
            shapes = {k: v.shape for k, v in build(encoder, architecture).state_dict().items()}
        if shapes != {k: v.shape for k, v in weights.items()}:
            raise ValueError("the weights are not those of the network")
        if not all(bool(v.isfinite().all()) for v in tensors.values()):
            raise ValueError("numbers that are not finite")
        network = build(encoder, architecture)
        network.load_state_dict(weights)
        network.eval().requires_grad_(False)
        return cls(
            encoder,
            Schedule(tensors["alpha_bar"]),
            network.to(device),
            architecture,
            tensors["x_min"].to(device),
            tensors["x_max"].to(device),
            tensors["class_counts"],
            text["method"],
            # absent before it existed
            tuple((step, loss, held) for step, loss, held in text.get("curve", ())),
        )


@dataclass(frozen=True, eq=False)
class Saved:
    """What `Diffusion.save` wrote into a folder, read and held against its digest once."""

    folder: Path
    text: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> Saved:
        """Nothing in it is executed. Raises ValueError on another format, or a damaged file."""
        if not (folder / FILE).exists() and (folder / "model.json").exists():
            raise ValueError(
                f"{folder} holds a model of format 1, this version reads {FORMAT}; fit and save it again"
            )
        text, tensors = artifact.read(folder / FILE)
        if text.get("format") != FORMAT:
            raise ValueError(f"{folder / FILE}: format {text.get('format')!r}, this version reads {FORMAT}")
        return cls(folder, text, tensors)

    @property
    def table(self) -> Mapping[str, Any]:
        """What it was given of a user's table. Raises ValueError where it was given none."""
        found = self.text.get("table")
        if not isinstance(found, Mapping):
            raise ValueError(
                f"{self.folder / FILE} is a model of a benchmark, without the columns of a table of yours"
            )
        return found

    @property
    def beside(self) -> dict[str, Tensor]:
        """The tensors that it was given beside the model's own."""
        return {k.removeprefix(BESIDE): v for k, v in self.tensors.items() if k.startswith(BESIDE)}

    def model(self, device: str = "cpu") -> Diffusion:
        """Raises ValueError where what it holds does not go together."""
        with artifact.taken(self.folder / FILE):
            return Diffusion.of(self.text, dict(self.tensors), device)


def build(encoder: Encoder, architecture: Architecture) -> nn.Module:
    """A fresh network for encoded rows."""
    width = encoder.d_num + sum(encoder.sizes)
    out = width + encoder.d_num * architecture.learned_variance
    a = architecture
    if a.body == "residual":
        return ResidualMLP(
            encoder.d_num, width, out, a.layers, a.dropout, len(encoder.classes), a.frequencies
        )
    return MLP(width, out, a.layers, a.dropout, len(encoder.classes))


def reads(network: nn.Module, blocks: Blocks, architecture: Architecture, schedule: Schedule) -> Learned:
    """The denoiser that a network is, by what its head predicts."""
    plain = NetworkDenoiser(network, blocks, architecture.cat_input)
    return plain if architecture.head == "eps" else HeadDenoiser(plain, schedule, architecture.head)
