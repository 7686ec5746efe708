"""A few calls of networks that were taught to jump: each to the end of the path that many steps would have walked."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tabstep.contracts import Unsupported
from tabstep.diffusion import train
from tabstep.diffusion.mixed import Draw, Learned, Process, State, stacked, taken
from tabstep.diffusion.noise import Noise, stream
from tabstep.samplers.budget_stop import begin_at
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.grid import trailing
from tabstep.samplers.judged import LEAST_ROWS, Judge, Shortfalls, regrets, standard_error
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, digest, path_from
from tabstep.samplers.start import Gaussians, Products, Start

SHARE = 0.2  # T'/T where nothing is measured
HELD = 0.125  # of the pairs, which say when to stop
FEWEST = 8  # pairs, of which one is held
AT_ONCE = 4096  # paths walked at once

HUBER = 0.1  # in units of encoded numbers; an error beyond is learned from by its size, not by its square

VERSION = 4  # raise when the same model, rows and start give other networks, or another begin


@dataclass(frozen=True)
class Begin:
    """Where paths begin: at the rows of which of several starts, and at which time T'."""

    start: int
    time: int


@dataclass(frozen=True)
class Distilled:
    """Rows of a mixture, noised and taken to clean rows by one call, as often as there are evaluations.

    A network gives the mean of the clean rows that a noised one may come from, too narrow by what is left open. A
    deterministic path has one end instead, and a network can learn it (Luhman & Luhman 2021; Salimans & Ho 2022). Here
    paths begin at T' < T, at the noised rows of a start as in ES-DDPM (Lyu et al. 2022): so short that their ends
    follow smoothly from their begins, and a copy of the network learns them soon. How short, and from which start, is
    decided by held rows for each number of evaluations: a better start needs less, and classes that depend on each
    other bear less (`reach`). Between evaluations rows are noised again, to the next time, for which another copy is
    taught on the rows that come to it.

    Numbers are taught the ends of paths of DPM-Solver++(2M), by the pseudo-Huber error of each (for networks that
    jump see Song & Dhariwal 2023): where an end also hangs on the classes that were drawn on the way, or a
    path goes to either side of a gap, the mean of the ends, which the squared error asks for, is none of them. What a
    class will be is open at the begin, and its ends would be noise to learn from: of classes a copy keeps what the
    network says, by the Kullback-Leibler divergence from it.

    starts      the generators whose rows paths may begin at; the first where there are no held rows
    shares      T'/T to choose from; `SHARE` where there are no held rows
    walk        evaluations of a path whose end is taught
    pairs       begins and ends that a copy learns from, an eighth of them to say when to stop
    steps       of its training, of `batch_size` pairs each, at most; `lr` falls linearly to 0
    most        evaluations that this is done for: each has a network of its own, and the price of one
    """

    starts: tuple[Start, ...] = (Gaussians(), Products())
    shares: tuple[float, ...] = (0.1, 0.2, 0.4, 0.6)
    walk: int = 10
    pairs: int = 65536
    steps: int = 2000
    batch_size: int = 512
    lr: float = 3e-3
    most: int = 2

    def __post_init__(self) -> None:
        for name, least in (("walk", 1), ("pairs", FEWEST), ("steps", 1), ("batch_size", 1), ("most", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.starts:
            raise ValueError("starts must be one or more, got none")
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ValueError(f"shares must be in (0, 1], one or more, got {self.shares}")

    @property
    def update(self) -> Sampler:
        """What walks the paths that are taught."""
        return DPMSolverPP()

    @property
    def grid(self) -> str:
        return self.update.grid

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """From T' to 0: the times that calls jump from. Raises `Unsupported` for more than `most`."""
        if self.most < K:
            raise Unsupported(f"networks are taught for up to {self.most} evaluations, not for {K}")
        return path_from(self.begin(setting, K).time, self.update, grid, setting, K)

    def reached(self, K: int, seed: int) -> str:
        """The artifact that says where K evaluations begin."""
        return f"reach-{K}-{digest(_Key(self, 0, (), seed))}"

    def begin(self, setting: Setting, K: int) -> Begin:
        """Where paths begin, as it was chosen for this model, or chosen now; the usual one where nothing can be
        measured."""
        name = self.reached(K, setting.seed)
        if setting.artifacts.held(name) is None:  # a model that was saved has it, and no rows
            if setting.held is None or len(setting.held.x) < LEAST_ROWS:
                return Begin(0, begin_at(SHARE, setting.T, K))
            for start in self.starts:
                start.fit(setting)  # not inside the choice, whose price is its own
        found = setting.artifacts.tensors(name, lambda: reach(self, setting, K))
        return Begin(int(found["start"]), int(found["horizon"]))

    def names(self, start: int, path: Steps, seed: int) -> tuple[str, ...]:
        """The artifacts of the networks of a path from this of the starts, in its order."""
        return tuple(f"distilled-{digest(_Key(self, start, path[:k], seed))}" for k in range(1, len(path)))

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Teach a copy of the network for each time of the path, or read them.

        Raises `Unsupported` without training rows, and where the denoiser has no network.
        """
        draw = self.starts[self.begin(setting, len(path) - 1).start].fit(setting)
        for t, weights in zip(path, self.networks(setting, path), strict=False):
            draw = jumping(draw, using(setting, weights).until(t))
        return draw

    def networks(self, setting: Setting, path: Steps) -> list[Mapping[str, Tensor]]:
        """The weights of the network of each time of the path; raises as `prepare` does."""
        learned(setting)
        start, found = self.begin(setting, len(path) - 1).start, []
        draw = self.starts[start].fit(setting)
        for name, t in zip(self.names(start, path, setting.seed), path, strict=False):
            weights = setting.artifacts.tensors(name, partial(teach, self, setting, t, draw))
            draw = jumping(draw, using(setting, weights).until(t))
            found.append(weights)
        return found


@dataclass(frozen=True)
class _Key:
    """What determines a taught network of one fitted model."""

    settings: Distilled
    start: int
    path: Steps
    seed: int
    version: int = VERSION


def learned(setting: Setting) -> Learned:
    """The denoiser with the network that is copied. Raises `Unsupported` where there is none."""
    if not isinstance(setting.process.denoiser, Learned):
        raise Unsupported("this teaches a copy of the network, and the denoiser has none")
    return setting.process.denoiser


def using(setting: Setting, weights: Mapping[str, Any]) -> Process:
    """The process around a copy of the network with other weights."""
    denoiser = learned(setting)
    return replace(setting.process, denoiser=denoiser.using(copied(denoiser.network, weights)))


def copied(network: nn.Module, weights: Mapping[str, Any]) -> nn.Module:
    """A copy of a network with these weights, which is not trained."""
    found = copy.deepcopy(network)
    found.load_state_dict(dict(weights))
    return found.requires_grad_(False).eval()


def reach(settings: Distilled, setting: Setting, K: int) -> Mapping[str, Tensor]:
    """Where to begin for K evaluations, by held rows: see `chosen`.

    No network is taught for it: rows are those of networks that were taught without error (`led`), which takes seconds.
    Returns `start` and `horizon` (), and of all that was tried `starts`, `times` (m,) and the `regret` in margins
    (m, FOLDS), each with one fold left out.
    """
    judge = Judge(setting)
    times = sorted({begin_at(share, setting.T, K) for share in settings.shares})
    begins = [Begin(start, time) for start in range(len(settings.starts)) for time in times]
    found = []
    for begin in begins:
        draw = settings.starts[begin.start].fit(setting)
        for t in trailing(setting.until(begin.time), K)[:-1]:
            draw = led(settings, setting, t, draw)
        found.append(judge.of(draw))
    best = chosen(found, begins, begin_at(SHARE, setting.T, K))
    return {
        "start": torch.tensor(best.start),
        "horizon": torch.tensor(best.time),
        "starts": torch.tensor([begin.start for begin in begins]),
        "times": torch.tensor([begin.time for begin in begins]),
        "regret": torch.from_numpy(regrets(found)),
    }


def chosen(found: Sequence[Shortfalls], begins: Sequence[Begin], usual: int) -> Begin:
    """Of begins with these scores the one to take.

    The hardest score leads: those are left whose rows trees tell from real ones as little as the best, within one
    standard error. Of these the ones with the least regret over all scores (`judged`), again within one. Where several
    are left nothing tells them apart, and it is the one nearest to the usual time, of the first start.
    """
    good = _as_good(np.array([way["c2st"] for way in found]))
    good = good[_as_good(regrets([found[i] for i in good]))]
    left = [begins[int(i)] for i in good]
    return min(left, key=lambda begin: (abs(math.log(begin.time / usual)), begin.start))


def _as_good(losses: np.ndarray) -> np.ndarray:
    """Places of the losses (m, FOLDS) that are above the least by at most one standard error of the difference."""
    worse = losses - losses[losses.mean(1).argmin()]
    return np.flatnonzero(worse.mean(1) <= standard_error(worse))


def jumping(before: Draw, process: Process) -> Draw:
    """Rows of another draw, noised to the end T of the process and taken to 0 by one call."""

    def draw(noise: Noise, y: Tensor | None) -> State:
        begin = process.noised(before(noise, y), noise)
        x0_hat, scores, _ = process.predict(begin, process.T, clip_x0=True)
        return State(x0_hat, process.stay_or_jump(scores, begin.c, process.T, 0, noise), begin.y)

    return draw


def led(settings: Distilled, setting: Setting, t: int, before: Draw) -> Draw:
    """As `jumping` from t, with a network that was taught without error: numbers go to the ends of paths from there,
    and classes are drawn by one call, each column by itself."""
    stopped, walk = _walk(settings, setting, t)
    process = stopped.process

    def draw(noise: Noise, y: Tensor | None) -> State:
        begin = process.noised(before(noise, y), noise)
        scores = process.predict(begin, t, clip_x0=True).scores
        end = walk(_another(noise, process.d_num).beginning(begin.x, begin.c), begin.y)
        return State(end.x, process.stay_or_jump(scores, begin.c, t, 0, noise), begin.y)

    return draw


def teach(settings: Distilled, setting: Setting, t: int, before: Draw) -> Mapping[str, Tensor]:
    """The weights of a copy of the network that jumps from t to where paths from there end.

    before  draws the clean rows that are noised to t
    """
    denoiser = learned(setting)
    own = denoiser.network.state_dict()
    if not setting.process.d_num:
        return own  # classes are what they were
    process = setting.process.until(t)
    network = copied(denoiser.network, own).requires_grad_(True)
    pairs = stacked(list(walked(settings, setting, t, before)))
    held = int(HELD * len(pairs.x))

    def loss_of(module: nn.Module) -> train.Loss:
        student = replace(process, denoiser=denoiser.using(module))
        return lambda batch, _: apart(student, process, batch)

    def judge(module: nn.Module) -> float:
        with torch.no_grad():
            parts = loss_of(module)(taken(pairs, slice(held)), torch.Generator())
            return float(torch.stack(parts).sum())

    with torch.enable_grad():
        return train.fit(
            network,
            loss_of(network),
            taken(pairs, slice(held, None)),
            train.Training(settings.steps, settings.batch_size, settings.lr, 0.0, 0.995, 10, patience=0.3),
            generator=stream(setting.seed, 7000, t),
            progress=setting.progress,
            judge=judge,
        )


def apart(student: Process, process: Process, pairs: State) -> tuple[Tensor, ...]:
    """How far one call of a student is from the ends of paths, and from what the process says of classes; two scalars.

    pairs  see `walked`, at the end T of both processes
    """
    d = process.d_num
    begin = State(pairs.x[:, :d], pairs.c, pairs.y)
    found = student.predict(begin, process.T, clip_x0=False)
    numbers = pseudo_huber(found.x0_hat - pairs.x[:, d:]).mean()
    return (numbers, divergence(found.scores, process, begin)) if process.blocks.width else (numbers,)


def divergence(scores: Tensor, process: Process, begin: State) -> Tensor:
    """Kullback-Leibler divergence of the classes by a student's scores (n, sum K) from those that the process says, ().

    begin  rows at the end T of the process; the mean is over these and the columns
    """
    t = process.T
    with torch.no_grad():
        wanted = process.log_full(process.predict(begin, t, clip_x0=False).scores, begin.c, t)
    gap = wanted - process.log_full(scores, begin.c, t)
    return (wanted.exp() * gap).sum(1).mean() / len(process.blocks.sizes)


def pseudo_huber(error: Tensor) -> Tensor:
    """sqrt(e^2 + c^2) - c of each error with c = `HUBER`: e^2 / (2 c) of small ones, |e| - c of large ones."""
    return (error.square() + HUBER**2).sqrt() - HUBER


@torch.no_grad()
def walked(settings: Distilled, setting: Setting, t: int, before: Draw) -> Iterator[State]:
    """Rows at t and the ends of the paths from there: x (n, 2 d_num) are both, c (n, d_c) and y are of the begins."""
    process, labels = setting.process, setting.training_rows().y
    stopped, walk = _walk(settings, setting, t)
    generator = stream(setting.seed, 7001, t)
    for start in range(0, settings.pairs, AT_ONCE):
        n = min(AT_ONCE, settings.pairs - start)
        noise = process.noise(setting.seed, start, n).apart(process.d_num)  # not that of any draw
        y = None
        if labels is not None:
            y = labels[torch.randint(len(labels), (n,), generator=generator).to(labels.device)]
        begin = stopped.process.noised(before(noise, y), noise)
        end = walk(_another(noise, process.d_num).beginning(begin.x, begin.c), begin.y)
        yield State(torch.cat([begin.x, end.x], 1), begin.c, begin.y)


def _walk(settings: Distilled, setting: Setting, t: int) -> tuple[Setting, Draw]:
    """The process until t, and what walks from there to the ends that are taught."""
    stopped = setting.until(t)
    return stopped, settings.update.prepare(stopped, trailing(stopped, min(settings.walk, t)))


def _another(noise: Noise, d_num: int) -> Noise:
    """Noise that neither a path so far nor its start has used."""
    return noise.apart(d_num).apart(d_num)
