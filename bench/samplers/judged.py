"""Which of several ways to draw rows is best for all scores at once, on held rows.

One score is blind to what another sees: boosted trees that tell rows from real ones choose begins at which a model that
learns from the rows does worse, and a distance of single columns sees no dependence. So what is chosen for a budget is
chosen by the largest regret: what a way loses against the best one of each score, in parts of what a score may lose and
still count as kept. How good all steps are does not enter: beside a weak network everything would count as kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from tabstep.data.table import Schema
from tabstep.diffusion.mixed import Draw, State
from tabstep.metrics import margins
from tabstep.metrics.detection import CLASSIFIERS
from tabstep.metrics.distances import distances
from tabstep.metrics.trend import trend
from tabstep.samplers.setting import Sampler, Setting, Steps

FOLDS = 5
HELD_ROWS = 4096
LEAST_ROWS = 200  # below, what a classifier finds is noise

MARGINS = {
    "efficacy": margins.UTILITY,
    "c2st": margins.C2ST,
    "wasserstein": margins.WASSERSTEIN,
    "trend": margins.TREND,
}

Shortfalls = Mapping[str, np.ndarray]
"""By score, how far from its best value, 0, rows are: (FOLDS,), each with one fold of the rows left out."""


def regrets(found: Sequence[Shortfalls]) -> np.ndarray:
    """Of each of several ways, the largest loss against the best way of a score, in margins of the score, (m, FOLDS).

    Which way is the best of a score is decided on all rows; 0 is the best of every score.
    """
    losses = []
    for name in found[0]:
        values = np.array([way[name] for way in found])
        losses.append((values - values[values.mean(1).argmin()]) / MARGINS[name])
    return np.asarray(np.max(losses, axis=0))


def standard_error(left_out: np.ndarray) -> np.ndarray:
    """Jackknife: of the value on all rows, by those (..., FOLDS) with one fold left out."""
    k = left_out.shape[-1]
    return np.asarray(left_out.std(-1, ddof=1) * (k - 1) / math.sqrt(k))


@dataclass(frozen=True)
class Judge:
    """Draws rows in some way with the labels of the held ones, and scores them: always with the same noise.

    Raises `Unsupported` without held rows.
    """

    setting: Setting

    def __call__(self, sampler: Sampler, path: Steps) -> Shortfalls:
        """Of the rows of this sampler on this path."""
        return self.of(sampler.prepare(self.setting, path))

    @torch.no_grad()
    def of(self, draw: Draw) -> Shortfalls:
        """Of the rows that this draws."""
        setting, process, held = self.setting, self.setting.process, self.setting.rows(HELD_ROWS)
        noise = process.noise(setting.seed, 0, len(held.x)).apart(process.d_num)  # not that of any draw
        return shortfalls(written(setting, draw(noise, held.y)), written(setting, held), schema(setting))


def schema(setting: Setting) -> Schema:
    """That of the table, or one of plain names for encoded rows without: the label, or the first column, as target."""
    if setting.table is not None:
        return setting.table.encoder.schema
    numbers = [f"x{j}" for j in range(setting.process.d_num)]
    labels = [f"c{j}" for j in range(len(setting.process.blocks.sizes))]
    if setting.held is not None and setting.held.y is not None:
        return Schema("multiclass", "y", tuple(numbers), tuple(labels))
    target = (numbers or labels)[0]
    rest = tuple(c for c in numbers if c != target), tuple(c for c in labels if c != target)
    return Schema("regression" if numbers else "multiclass", target, *rest)


def written(setting: Setting, rows: State) -> pd.DataFrame:
    """Rows as they are written, with whole numbers rounded, which hides much of what an encoded row shows."""
    if setting.table is not None:
        return setting.table.encoder.decode(*rows)
    columns = {f"x{j}": column for j, column in enumerate(rows.x.T.cpu().numpy())}
    columns |= {f"c{j}": column for j, column in enumerate(rows.c.T.cpu().numpy())}
    return pd.DataFrame(columns | ({} if rows.y is None else {"y": rows.y.cpu().numpy()}))


def shortfalls(drawn: pd.DataFrame, held: pd.DataFrame, schema: Schema) -> Shortfalls:
    """Of as many drawn rows as held ones, row by row of the same label.

    efficacy     1 - macro-F1, or R2, of boosted trees that are trained on the drawn rows and predict the held ones
    c2st         the area under the curve of boosted trees that tell drawn rows from held ones, above one half; the
                 trees of `metrics.detection`, for smaller ones see less
    wasserstein  see `distances`; trend: 1 - `trend_corrected`
    """
    columns = coded(drawn, held, schema)
    fold = np.arange(len(held)) % FOLDS  # a drawn row and the held one with its label stay together
    areas = np.array(areas_under_curve(*columns, fold))
    found = {"c2st": np.maximum((areas.sum() - areas) / (FOLDS - 1) - 0.5, 0), "efficacy": np.empty(FOLDS)}
    predicted, target = predictions(*columns, schema.is_regression), columns[1][:, -1]
    kept = [("trend", np.empty(FOLDS)), ("wasserstein", np.empty(FOLDS))]
    found |= dict(kept if schema.numbers else kept[:1])
    for k in range(FOLDS):
        rest = fold != k
        some = drawn[rest], held[rest], schema
        found["efficacy"][k] = 1 - quality(target[rest], predicted[rest], schema.is_regression)
        found["trend"][k] = 1 - trend(*some)["trend_corrected"]
        if schema.numbers:
            found["wasserstein"][k] = distances(*some)["wasserstein"]
    return found


def coded(drawn: pd.DataFrame, held: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Both as numbers (n, columns), the target last; labels by codes that are the same for both."""
    both = pd.concat([drawn, held])
    columns = [
        both[c].to_numpy(np.float64) if c in schema.numbers else pd.factorize(both[c], sort=True)[0]
        for c in schema.columns
    ]
    x = _in_single_precision(np.column_stack(columns).astype(np.float64))
    return x[: len(drawn)], x[len(drawn) :]


def _in_single_precision(x: np.ndarray) -> np.ndarray:
    """Columns (n, d) with numbers that trees would read as infinite, scaled: of inputs they see the order alone."""
    most = np.nanmax(np.abs(x), axis=0, initial=0)
    return x / np.where(most > np.finfo(np.float32).max, most, 1.0)


def areas_under_curve(drawn: np.ndarray, held: np.ndarray, fold: np.ndarray) -> list[float]:
    """How well boosted trees tell drawn rows from held ones, by fold: 0.5 is not at all."""
    from sklearn.metrics import roc_auc_score

    x, label, where = np.concatenate([drawn, held]), np.repeat([1, 0], len(held)), np.tile(fold, 2)
    areas = []
    for k in range(FOLDS):
        rest = where != k
        told = CLASSIFIERS["xgboost"](0).fit(x[rest], label[rest]).predict_proba(x[~rest])[:, 1]
        areas.append(float(roc_auc_score(label[~rest], told)))
    return areas


def predictions(drawn: np.ndarray, held: np.ndarray, regression: bool) -> np.ndarray:
    """The last column of the held rows by trees that learned it from the drawn ones."""
    target = drawn[:, -1]
    known = np.isfinite(target)
    if len(np.unique(target[known])) < 2 or drawn.shape[1] < 2:
        return np.full(len(held), target[known][0] if known.any() else 0.0)
    trees = _trees("Regressor" if regression else "Classifier").fit(drawn[known, :-1], target[known])
    return np.asarray(trees.predict(held[:, :-1]))


def quality(target: np.ndarray, predicted: np.ndarray, regression: bool) -> float:
    """R2, or macro-F1."""
    from sklearn.metrics import f1_score, r2_score

    return float(r2_score(target, predicted) if regression else f1_score(target, predicted, average="macro"))


def _trees(kind: Literal["Classifier", "Regressor"]) -> Any:
    from sklearn import ensemble

    make = getattr(ensemble, f"HistGradientBoosting{kind}")
    return make(max_iter=50, max_leaf_nodes=15, early_stopping=False, random_state=0)
