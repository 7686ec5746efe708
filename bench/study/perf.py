"""How fast hot paths are, beside the matrix products and the copies that they cannot do without, in the same run.

A machine shared with others changes from second to second, so a path and its limit are timed in turns, and a ratio is
that of medians. `tabstep.study.revisions` runs this file on another revision of the project, in turns too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tabstep.data.encode import Encoder
from tabstep.data.scales import Quantiles
from tabstep.data.table import Schema
from tabstep.diffusion import schedule as schedules
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Diffusion, build, reads
from tabstep.diffusion.noise import stream
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.diffusion.train import Training, fit
from tabstep.records.clock import synchronize
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.samplers.setting import Setting, path_for
from tabstep.suites import LARGE

TURNS = 5
ROWS = 100_000  # of the table that is encoded and decoded
BUDGET = 10  # evaluations of the draw


@dataclass(frozen=True)
class Shape:
    """A table and a network: number columns, classes of each categorical one, and a method's settings.

    bar  the most that a training step may take, in parts of its matrix products; None where none is set
    """

    name: str
    numbers: int
    sizes: tuple[int, ...]
    method: TabDDPM
    bar: float | None = None

    def rows(self, n: int, device: str = "cpu") -> State:
        """n rows that mean nothing, on a device."""
        g = stream(0, 1)
        c = [torch.randint(K, (n,), generator=g) for K in self.sizes]
        y = torch.randint(2, (n,), generator=g)
        x, labels = torch.randn(n, self.numbers, generator=g), torch.stack(c, 1) if c else y[:, None][:, :0]
        return State(x.to(device), labels.to(device), y.to(device))

    def encoder(self) -> Encoder:
        """One that gives rows of this shape, with two labels."""
        schema = Schema(
            "binclass",
            "y",
            tuple(f"n{i}" for i in range(self.numbers)),
            tuple(f"c{i}" for i in range(len(self.sizes))),
            frozenset(),
        )
        labels = {f"c{i}": tuple(f"{k:05d}" for k in range(K)) for i, K in enumerate(self.sizes)}
        scale = Quantiles(np.tile([[-4.0], [4.0]], self.numbers))
        return Encoder(schema, "quantile", "integers", scale, labels, ("0", "1"), {})


def _published(layers: tuple[int, ...], batch: int) -> TabDDPM:
    return TabDDPM(layers=layers, batch_size=batch)


ADULT = (16, 9, 7, 15, 6, 5, 2, 42)
WIDE = (1024, 1024, 1024, 1024)
SHAPES = (
    Shape("abalone", 8, (3,), _published((512, 128), 4096), 1.2),
    Shape("adult", 6, ADULT, _published((256, *WIDE, 256), 4096), 1.05),
    Shape("churn2", 7, (3, 2, 2, 2), _published((512, *WIDE, 512), 4096), 1.05),
    Shape("churn2, batch 256", 7, (3, 2, 2, 2), _published((512, *WIDE, 512), 256), 1.2),
    Shape("diabetes", 8, (), _published((128, 512), 4096), 1.5),
    Shape("wilt", 5, (), _published((1024, *[512] * 6, 128), 256), 1.2),
    Shape("60 columns of 20 classes", 0, (20,) * 60, _published((512, 512), 4096)),
    Shape("400 numbers", 400, (), _published((512, 512), 4096), 1.2),
    Shape("quick", 7, (3, 2, 2, 2), _published((256, 256), 512), 1.5),
    Shape(
        "tabstep", 7, (3, 2, 2, 2), TabStep(**LARGE, held_share=0.0)
    ),  # as it was when results/perf was measured
)
DRAWN = ("adult", "churn2", "60 columns of 20 classes", "tabstep")
"""Shapes that are drawn too."""


@dataclass(frozen=True)
class Line:
    """One path: seconds, those of its limit, and the most that is allowed of `measure`.

    measure  seconds / limit where there is a limit, else seconds
    """

    path: str
    seconds: float
    limit: float | None
    bar: float | None

    @property
    def measure(self) -> float:
        return self.seconds if self.limit is None else self.seconds / self.limit


def in_turns(path: Callable[[], Any], limit: Callable[[], Any], device: str = "cpu") -> tuple[float, float]:
    """Median seconds of both until the device is done, called in turns after one call of each that does not count."""
    found: list[tuple[float, float]] = []
    for _ in range(TURNS + 1):
        synchronize(device)
        marks = [time.perf_counter()]
        for call in (path, limit):
            call()
            synchronize(device)
            marks.append(time.perf_counter())
        found.append((marks[1] - marks[0], marks[2] - marks[1]))
    first, second = np.median(np.array(found[1:]), axis=0)
    return float(first), float(second)


def products(network: nn.Module, rows: int, *, backward: bool, device: str = "cpu") -> Callable[[], None]:
    """The matrix products of one pass of n rows through the linear layers, forward or there and back, and no more.

    The gradient of the first layer's input is not one of them.
    """
    # The embedding of the time works on distinct times, which are few.
    widths = [
        (layer.in_features, layer.out_features)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and not name.startswith("time")
    ]

    def made(*shape: int) -> Tensor:
        return torch.randn(shape, device=device)

    work = [(made(rows, a), made(b, a), made(rows, b), i > 0) for i, (a, b) in enumerate(widths)]

    def run() -> None:
        for x, w, out, inner in work:
            torch.mm(x, w.t())
            if backward:
                torch.mm(out.t(), x)
                if inner:
                    torch.mm(out, w)

    return run


def training_step(shape: Shape, device: str = "cpu") -> Line:
    """A step of training, by `train.fit` itself, beside its matrix products."""
    method, steps = shape.method, 6
    encoder, blocks = shape.encoder(), Blocks(shape.sizes)
    schedule = schedules.make("cosine", 1000)
    data = shape.rows(2 * method.batch_size, device)
    torch.manual_seed(0)
    network = build(encoder, method.architecture).to(device)
    denoiser = reads(network, blocks, method.architecture, schedule)
    loss = method.loss(denoiser, schedule, blocks, data)
    training = Training(steps, method.batch_size, 1e-4, 0.0, 0.999)
    least = products(network, method.batch_size, backward=True, device=device)

    def limit() -> None:
        for _ in range(steps):
            least()

    took, least_took = in_turns(
        lambda: fit(network, loss, data, training, generator=stream(0, 2)), limit, device
    )
    bar = shape.bar if device == "cpu" else None
    return Line(f"training step, {shape.name}", took / steps, least_took / steps, bar)


def sampling(shape: Shape, rows: int = 4096, device: str = "cpu") -> list[Line]:
    """A call of the network beside its products, and a draw beside its calls."""
    torch.manual_seed(0)
    encoder, architecture = shape.encoder(), shape.method.architecture
    network = build(encoder, architecture).eval().requires_grad_(False).to(device)
    ends = torch.full((shape.numbers,), 4.0, device=device)
    model = Diffusion(
        encoder, schedules.make("cosine", 1000), network, architecture, -ends, ends, torch.tensor([1, 1])
    )
    state = shape.rows(rows, device)
    process, sampler = model.process, SAMPLERS["dpmpp-2m-sde"]
    setting = Setting(process)
    draw = sampler.prepare(setting, path_for(sampler, GRIDS["trailing"], setting, BUDGET))

    @torch.inference_mode()
    def call() -> None:
        process.denoiser(state.x, state.c, 500, state.y)

    def calls() -> None:
        for _ in range(BUDGET):
            call()

    took, least = in_turns(call, products(network, rows, backward=False, device=device), device)
    drawn, called = in_turns(lambda: model.denoise(draw, rows, seed=0, batch_rows=rows), calls, device)
    return [
        Line(f"network call, {shape.name}", took, least, None),
        Line(
            f"sampling step, {shape.name}", drawn / BUDGET, called / BUDGET, 1.1 if device == "cpu" else None
        ),
    ]


def table(n: int) -> tuple[pd.DataFrame, Schema]:
    """n rows of the shape of adult: six whole numbers, eight categories, a label."""
    rng = np.random.default_rng(0)
    numbers = {f"n{i}": np.round(rng.gamma(2.0, 10.0 ** (1 + i % 3), n)) for i in range(6)}
    labels = {f"c{i}": rng.choice([f"{k:05d}" for k in range(K)], n) for i, K in enumerate(ADULT)}
    frame = pd.DataFrame({**numbers, **labels, "y": rng.choice(["0", "1"], n)})
    return frame, Schema("binclass", "y", tuple(numbers), tuple(labels), frozenset(numbers))


def encoding() -> list[Line]:
    """Encoding and decoding of `ROWS` rows."""
    frame, schema = table(ROWS)
    encoder = Encoder.fit(frame, schema)
    encoded = encoder.encode(frame)
    there, back = in_turns(lambda: encoder.encode(frame), lambda: encoder.decode(*encoded))
    return [
        Line(f"encode {ROWS:,} rows", there, None, 1.0),
        Line(f"decode {ROWS:,} rows", back, None, 0.7),
    ]


def measure(names: Sequence[str] = (), device: str = "cpu") -> Iterator[Line]:
    """Lines of the named shapes, or of all and of encoding, one thread; all take five minutes on a slow machine.

    Bars are of the CPU: on another device there are none. Raises ValueError for a name that is no shape's.
    """
    torch.set_num_threads(1)
    known = {shape.name: shape for shape in SHAPES}
    for name in names:
        if name not in known:
            raise ValueError(f"no shape {name!r}; there are {', '.join(known)}")
    chosen = names or tuple(known)
    for name in chosen:
        yield training_step(known[name], device)
    for name in (name for name in DRAWN if name in chosen):
        yield from sampling(known[name], device=device)
    if not names:
        yield from encoding()


if __name__ == "__main__":
    for line in measure():
        sys.stdout.write(json.dumps(asdict(line)) + "\n")
