"""Where early-stopped paths begin: generators that are no diffusion, each fitted once per model and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from tabstep.contracts import Method, Unsupported
from tabstep.diffusion import correlated, labelled_mixture, mixture, moments
from tabstep.diffusion.autoencoder import Autoencoder
from tabstep.diffusion.correlated import CorrelatedEM
from tabstep.diffusion.labelled_mixture import M
from tabstep.diffusion.mixed import Draw, State, stacked
from tabstep.diffusion.mixture_em import EM, Search
from tabstep.diffusion.noise import ROWS_PER_KEY, Noise
from tabstep.samplers.setting import Setting, digest

MOMENTS = "moments"  # the artifact; a saved model of a user's table keeps it
VERSION = 2  # of mixtures: raise when the same rows give another; 2: components of labels
CORRELATED_VERSION = 1  # the same of those with correlated numbers


class Start(Protocol):
    """Settings of a generator of clean encoded rows."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def fit(self, setting: Setting) -> Draw:
        """Fit it, or find it fitted. The labels of the rows drawn are theirs: those asked for, where it can."""
        ...


@dataclass(frozen=True)
class Conditional:
    """Our variational autoencoder, on the encoded rows of the diffusion and given the same labels."""

    settings: Autoencoder = field(default_factory=Autoencoder)

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` without training rows."""
        data, blocks, seed = setting.training_rows(), setting.process.blocks, setting.seed
        name = f"autoencoder-{digest(self.settings)}-{seed}"
        weights = setting.artifacts.tensors(name, lambda: self.settings.train(data, blocks, seed=seed))
        return self.settings.restore(weights, data, blocks).draw


@dataclass(frozen=True)
class Products:
    """A mixture of products on the encoded rows of the diffusion, each frequent label with components of its own.

    The component is drawn given the label asked for.
    """

    settings: EM = field(default_factory=EM)

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` where neither training rows nor their mixture are at hand."""
        return _from_components(setting, self.components(setting), mixture.draw)

    def components(self, setting: Setting) -> mixture.Mixture:
        """The mixture itself, of numbers and categories, the last of them the label where there is one; raises the
        same."""
        name = f"mixture-v{VERSION}-{digest(self.settings)}"
        return _components(setting, name, self.settings, mixture.Mixture)


@dataclass(frozen=True)
class Gaussians:
    """As `Products`, with numbers that are correlated within a component."""

    settings: CorrelatedEM = field(default_factory=CorrelatedEM)

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` where neither training rows nor their mixture are at hand."""
        name = f"correlated-v{CORRELATED_VERSION}-{digest(self.settings)}"
        whole = _components(setting, name, self.settings, correlated.Correlated)
        return _from_components(setting, whole, correlated.draw)


def _components(setting: Setting, name: str, settings: Search[M], kind: type[M]) -> M:
    """A mixture of this kind, kept as the artifact `name`."""
    like = setting.process.x_min
    features: tuple[int, ...] = setting.process.blocks.sizes
    kept = setting.artifacts.held(name) or setting.artifacts.tensors(
        f"{name}-{setting.seed}",
        lambda: mixture_of(setting.training_rows(), features, settings, seed=setting.seed),
    )
    labels = kept["log_p"].shape[1] - sum(features)
    sizes = (*features, labels) if labels else features
    return kind(sizes, **{key: value.to(like.device) for key, value in kept.items()})


def _from_components(
    setting: Setting, whole: M, drawn: Callable[[M, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
) -> Draw:
    """Rows of a mixture: a component given the label, a row given it."""
    like = setting.process.x_min
    features: tuple[int, ...] = setting.process.blocks.sizes
    labels = len(whole.sizes) > len(features)
    given = mixture.given_label(whole) if labels else whole.log_w.unsqueeze(0)
    rest = replace(whole, sizes=features, log_p=whole.log_p[:, : sum(features)])

    def draw(noise: Noise, y: Tensor | None) -> State:
        own = noise.apart(noise.d_num)
        label = torch.zeros(noise.n, dtype=torch.int64, device=like.device) if y is None else y
        z = mixture.component_of(given, label, own.choice())
        x, c = drawn(rest, z, own.normal(), own.uniform())
        return State(x.to(like), c, y)

    return draw


MIXTURE = f"mixture-v{VERSION}-{digest(EM())}"  # the artifact of a saved model of a user's table: that of `Products()`
CORRELATED = f"correlated-v{CORRELATED_VERSION}-{digest(CorrelatedEM())}"  # the same of `Gaussians()`


@dataclass(frozen=True)
class Moments:
    """A Gaussian with mean and covariance of the training rows of a label, and their class frequencies: no fit."""

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` where neither training rows nor their moments are at hand."""
        like, sizes = setting.process.x_min, setting.process.blocks.sizes

        kept = setting.artifacts.tensors(MOMENTS, lambda: moments_of(setting.training_rows(), sizes))
        of = moments.Moments(sizes, **{key: value.to(like.device) for key, value in kept.items()})

        def draw(noise: Noise, y: Tensor | None) -> State:
            own = noise.apart(noise.d_num)
            label = torch.zeros(noise.n, dtype=torch.int64, device=like.device) if y is None else y
            x, c = moments.draw(of, label, own.normal(), own.uniform())
            return State(x.to(like), c, y)

        return draw


def moments_of(rows: State, sizes: tuple[int, ...]) -> dict[str, Tensor]:
    """The tensors of the moments of encoded rows: mean, root and p, see `diffusion.moments`."""
    found = moments.moments(rows, sizes, sum(labels_of(rows)))
    return {"mean": found.mean, "root": found.root, "p": found.p}


def mixture_of(rows: State, sizes: tuple[int, ...], settings: Search[M], *, seed: int) -> dict[str, Tensor]:
    """The tensors of a mixture of encoded rows and their labels: those of `diffusion.mixture.Mixture` for an `EM`."""
    on_cpu = State(rows.x.cpu(), rows.c.cpu(), None if rows.y is None else rows.y.cpu())
    found = labelled_mixture.estimate(settings, on_cpu, sizes, seed=seed)
    return {each.name: getattr(found, each.name) for each in fields(found) if each.name != "sizes"}


def check_mixture(found: Mapping[str, Tensor], sizes: tuple[int, ...], d_num: int, labels: int) -> None:
    """Raises ValueError where tensors are not a mixture of such rows; `labels` is 0 where there is none."""
    _check_components(found, "var", (d_num,), sum(sizes) + labels)
    if not (found["var"] > 0).all():
        raise ValueError("a mixture with variances of 0 or below")


def check_correlated(found: Mapping[str, Tensor], sizes: tuple[int, ...], d_num: int, labels: int) -> None:
    """Raises ValueError where tensors are not a mixture with correlated numbers of such rows, as `check_mixture`."""
    _check_components(found, "root", (d_num, d_num), sum(sizes) + labels)
    if not (found["root"].diagonal(dim1=1, dim2=2) > 0).all():
        raise ValueError("a mixture whose roots of covariances are no roots")


def check_moments(found: Mapping[str, Tensor], sizes: tuple[int, ...], d_num: int, labels: int) -> None:
    """Raises ValueError where tensors are not the moments of such rows; `labels` is 0 where there is none."""
    L = max(1, labels)
    shapes = {"mean": (L, d_num), "root": (L, d_num, d_num), "p": (L, sum(sizes))}
    _check_shapes(found, shapes, "moments")


def _check_components(found: Mapping[str, Tensor], spread: str, each: tuple[int, ...], classes: int) -> None:
    """Raises ValueError where tensors are not the components of a mixture; `each` is the shape of the spread of one."""
    Z = max(1, found["log_w"].numel() if "log_w" in found else 0)
    shapes = {"log_w": (Z,), "mean": (Z, each[0]), spread: (Z, *each), "log_p": (Z, classes)}
    _check_shapes(found, shapes, "a mixture")


def _check_shapes(found: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
    there = {name: tuple(tensor.shape) for name, tensor in found.items()}
    if there != shapes or not all(t.dtype == torch.float64 and t.isfinite().all() for t in found.values()):
        raise ValueError(f"{what} of shapes {there}, expected finite float64 of {shapes}")


def labels_of(data: State) -> tuple[int, ...]:
    """The number of labels of encoded rows, or nothing where they have none."""
    return () if data.y is None else (int(data.y.max()) + 1,)


@dataclass(frozen=True)
class Foreign:
    """A registered method, fitted on the table itself; its rows pass through the encoder of the diffusion.

    Such a method draws its own labels with its rows, and these go on with them. It is drawn `ROWS_PER_KEY` rows at a
    time, by the seed and their place, and those asked for are taken: other batches give the same rows.
    """

    method: Method

    def fit(self, setting: Setting) -> Draw:
        """Raises `Unsupported` without a training table, and where the method does."""
        table = setting.table
        if table is None:
            raise Unsupported("this fits another method on the training table, and there is none")
        encoder, like = table.encoder, setting.process.x_min
        name = f"start-{digest(self.method)}-{setting.seed}"
        model = setting.artifacts.kept(
            name,
            lambda: self.method.fit(
                table.train.copy(), encoder.schema, seed=setting.seed, device=str(like.device)
            ),
        )

        def draw(noise: Noise, y: Tensor | None) -> State:
            away = noise.apart(noise.d_num)
            parts = []
            for key, wanted in noise.spans():
                seed = np.random.SeedSequence(away.seed, spawn_key=(key,)).generate_state(1)
                x, c, own = encoder.encode(model.sample(ROWS_PER_KEY, seed=int(seed[0])))
                parts.append(State(x[wanted], c[wanted], None if own is None else own[wanted]))
            x, c, own = stacked(parts)
            return State(x.to(like), c.to(like.device), None if own is None else own.to(like.device))

        return draw
