"""Real and synthetic rows beside each other: the marginal of each column, and how strongly each two go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats.contingency import association

from tabstep.data.table import Schema
from tabstep.report.figures.drawing import panels, save

BINS = 30
MOST_LABELS = 10  # of a column; the rarest of the real rows are one bar
MOST_COLUMNS = 20  # in the figure of marginals, those that lie furthest apart
MOST_DRAWN = 4
REST = "(rest)"
MISSING = "(missing)"
REAL = "#D9D9D9"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True, eq=False)
class Rows:
    """Synthetic rows of an entrant, and its colour."""

    frame: pd.DataFrame
    colour: str


def write(
    real: pd.DataFrame, drawn: Mapping[str, Rows], schema: Schema, folder: Path, name: str
) -> list[Path]:
    """Draw <name>-marginals and <name>-associations as PNG, PDF and CSV; return the paths.

    drawn  at most `MOST_DRAWN` entrants
    Raises ValueError for none, or more.
    """
    if not 1 <= len(drawn) <= MOST_DRAWN:
        raise ValueError(f"1 to {MOST_DRAWN} entrants can be told apart beside real rows, got {len(drawn)}")
    every = {"real": real, **{entrant: rows.frame for entrant, rows in drawn.items()}}
    shares = marginals(every, schema)
    strengths = pd.concat(
        [associations(frame, schema).assign(rows=entrant) for entrant, frame in every.items()],
        ignore_index=True,
    )
    colours = {entrant: rows.colour for entrant, rows in drawn.items()}
    return save(
        {
            f"{name}-marginals": (lambda: draw_marginals(shares, schema, colours), shares),
            f"{name}-associations": (lambda: draw_associations(strengths, schema), strengths),
        },
        folder,
    )


def marginals(every: Mapping[str, pd.DataFrame], schema: Schema) -> pd.DataFrame:
    """Shares of each column's values: column, rows (a key of `every`, the first is the measure), at, width, share.

    at     a label, or the lower end of one of `BINS` even bins between the real 0.5 % and 99.5 % quantiles, or of one
           a whole number where there are no more of them; what lies outside is in the bins at the ends
    width  of the bin; empty for labels and gaps
    """
    out: list[dict[str, object]] = []
    for column in schema.columns:
        split = _binned if column in schema.numbers else _labelled
        for entrant, lines in split({name: frame[column] for name, frame in every.items()}).items():
            out += [{"column": column, "rows": entrant, **line} for line in lines]
    return pd.DataFrame(out, columns=["column", "rows", "at", "width", "share"])


def _binned(every: Mapping[str, pd.Series]) -> dict[str, list[dict[str, object]]]:
    """The same lines for all, whoever has rows in them; bins are the first one's where it has a value at all."""
    there = [values for values in every.values() if values.notna().any()]
    edges = _edges(there[0]) if there else np.empty(0)
    gaps = any(values.isna().any() for values in every.values())
    found = {}
    for name, values in every.items():
        counts = np.empty(0)
        if len(edges):
            counts, _ = np.histogram(np.clip(values.dropna().to_numpy(float), edges[0], edges[-1]), edges)
        lines: list[dict[str, object]] = [
            {"at": float(edge), "width": float(width), "share": count / len(values)}
            for edge, width, count in zip(edges[:-1], np.diff(edges), counts, strict=True)
        ]
        if gaps:
            lines.append({"at": MISSING, "width": None, "share": float(values.isna().mean())})
        found[name] = lines
    return found


def _edges(measure: pd.Series) -> np.ndarray:
    known = np.unique(measure.dropna().to_numpy(float))
    if np.all(known == np.round(known)) and known[-1] - known[0] < BINS:
        return np.arange(known[0] - 0.5, known[-1] + 1)
    low, high = measure.quantile([0.005, 0.995]).to_numpy(float)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _labelled(every: Mapping[str, pd.Series]) -> dict[str, list[dict[str, object]]]:
    named = {name: values.fillna(MISSING) for name, values in every.items()}
    of_real = next(iter(named.values())).value_counts()
    kept = list(of_real.index[:MOST_LABELS])
    found = {
        name: values.where(values.isin(kept), REST).value_counts(normalize=True)
        for name, values in named.items()
    }
    order = [*kept, REST] if any(REST in shares for shares in found.values()) else kept
    return {
        name: [{"at": label, "width": None, "share": float(shares.get(label, 0.0))} for label in order]
        for name, shares in found.items()
    }


def apart(shares: pd.DataFrame) -> pd.Series:
    """Total variation distance of the shares of each column to the real ones, the largest of all entrants."""
    wide = shares.pivot_table(index=["column", "at"], columns="rows", values="share", sort=False)
    off = wide.drop(columns="real").sub(wide["real"], axis=0).abs()
    return (off.groupby(level="column", sort=False).sum() / 2).max(axis=1)


def draw_marginals(shares: pd.DataFrame, schema: Schema, colours: Mapping[str, str]) -> Figure:
    """A panel a column, those furthest from the real rows first: grey is real, a line or a mark is an entrant."""
    distance = apart(shares).sort_values(ascending=False, kind="stable").head(MOST_COLUMNS)
    wide = min(4, len(distance))
    high = -(-len(distance) // wide)
    figure = Figure(figsize=(2.6 * wide + 0.3, 2.0 * high + 0.7), layout="constrained")
    axes = panels(figure, len(distance), wide)
    for axis, (column, far) in zip(axes, distance.items(), strict=True):
        part = shares[shares["column"] == column]
        (_numbers if part["width"].notna().any() else _labels)(axis, part, colours)
        axis.set_title(f"{column}  ({far:.2f})", loc="left", fontweight="bold", fontsize=8)
        axis.tick_params(labelsize=7)
    found: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    handles = {name: found[name] for name in ("real", *colours)}
    left_out = shares["column"].nunique() - len(distance)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=2 if max(map(len, handles)) > 30 else 5,
        frameon=False,
        title="share of rows; in brackets the largest total variation distance to the real rows"
        + (f"; {left_out} columns nearer than these are left out" if left_out else ""),
        title_fontsize=8,
    )
    return figure


def _numbers(axis: Axes, part: pd.DataFrame, colours: Mapping[str, str]) -> None:
    binned = part[part["width"].notna()]
    real = binned[binned["rows"] == "real"]
    left, width = real["at"].to_numpy(float), real["width"].to_numpy(float)
    axis.bar(left, real["share"], width, align="edge", color=REAL, label="real")
    edges = [*left, left[-1] + width[-1]]
    for (entrant, colour), dash in zip(colours.items(), DASHES, strict=False):
        shares = binned.loc[binned["rows"] == entrant, "share"].to_numpy(float)
        axis.stairs(shares, edges, color=colour, linestyle=dash, linewidth=1.2, label=entrant, baseline=None)
    axis.set_ylim(bottom=0)


def _labels(axis: Axes, part: pd.DataFrame, colours: Mapping[str, str]) -> None:
    real = part[part["rows"] == "real"]
    names = [shortened(str(label), 14) for label in real["at"]]
    axis.barh(range(len(names)), real["share"], color=REAL, label="real")
    shift = 0.7 / max(1, len(colours))
    for i, ((entrant, colour), marker) in enumerate(zip(colours.items(), MARKERS, strict=False)):
        axis.plot(
            part.loc[part["rows"] == entrant, "share"].to_numpy(float),
            np.arange(len(names)) + shift * (i - (len(colours) - 1) / 2),
            linestyle="none",
            marker=marker,
            markersize=3.6,
            color=colour,
            label=entrant,
        )
    axis.set_yticks(range(len(names)), names, fontsize=6.5)
    axis.invert_yaxis()


def associations(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """How strongly each two columns go together, over the rows that have both: first, second, kind, strength.

    pearson            two numbers: their correlation, -1..1
    correlation ratio  a number and labels: sqrt(variance between the labels' means / variance), 0..1
    cramer             labels and labels: Cramer's V, sqrt(chi^2 / (n (min(rows, columns) - 1))), 0..1
    A strength is NaN where one of the two is constant.
    """
    found = []
    for first, second in combinations(schema.columns, 2):
        both = frame[[first, second]].dropna()
        numbers = [name in schema.numbers for name in (first, second)]
        if all(numbers):
            kind, strength = "pearson", _pearson(both[first], both[second])
        elif any(numbers):
            number, label = (first, second) if numbers[0] else (second, first)
            kind, strength = "correlation ratio", correlation_ratio(both[number], both[label])
        else:
            kind, strength = "cramer", cramer(both[first], both[second])
        found.append({"first": first, "second": second, "kind": kind, "strength": strength})
    return pd.DataFrame(found, columns=["first", "second", "kind", "strength"])


def _pearson(a: pd.Series, b: pd.Series) -> float:
    x, y = a.to_numpy(float), b.to_numpy(float)
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan


def correlation_ratio(number: pd.Series, label: pd.Series) -> float:
    """See `associations`."""
    x = number.to_numpy(float)
    if label.nunique() < 2 or np.ptp(x) == 0:
        return np.nan
    means = number.groupby(label).transform("mean").to_numpy(float)
    return float(np.sqrt(means.var() / x.var()))


def cramer(a: pd.Series, b: pd.Series) -> float:
    """See `associations`."""
    counts = pd.crosstab(a, b).to_numpy()
    return float(association(counts, method="cramer")) if min(counts.shape) > 1 else np.nan


def draw_associations(strengths: pd.DataFrame, schema: Schema) -> Figure:
    """Above the strengths in real and in synthetic rows, below synthetic minus real."""
    columns = list(schema.columns)
    every = list(dict.fromkeys(strengths["rows"]))
    size = min(4.2, max(2.2, 0.14 * len(columns)))
    figure = Figure(figsize=(size * len(every) + 2.6, 2 * size + 2.0), layout="constrained")
    axes = figure.subplots(2, len(every), squeeze=False)
    real = _square(strengths, "real", columns)
    above: Any = None
    below: Any = None
    for place, entrant in enumerate(every):
        top, bottom = axes[:, place]
        matrix = _square(strengths, entrant, columns)
        above = top.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        top.set_title("\n".join(wrap(entrant, 26)), loc="left", fontweight="bold", fontsize=8)
        if entrant == "real":
            text = "beside: synthetic minus real,\nin the order of above, and\nthe mean absolute difference"
            bottom.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, transform=bottom.transAxes)
            bottom.set_axis_off()
            continue
        off = matrix - real
        upper = off[np.triu_indices(len(columns), 1)]
        below = bottom.imshow(off, cmap="PuOr_r", vmin=-0.5, vmax=0.5)
        mean = np.nanmean(np.abs(upper)) if np.isfinite(upper).any() else np.nan
        bottom.set_title(f"{mean:.3f}", loc="left", fontsize=8)
    names = [shortened(name, 20) for name in columns]
    small = max(3.5, min(7.0, 72 * size * 0.9 / len(columns)))
    for axis in axes.flat:
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0, 0].set_yticks(range(len(names)), names, fontsize=small)
    for axis in axes[1, 1:]:
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
    figure.colorbar(
        above, ax=list(axes[0]), shrink=0.8, label="Pearson; with labels correlation\nratio and Cramér's V"
    )
    figure.colorbar(below, ax=list(axes[1]), shrink=0.8, label="difference", extend="both")
    return figure


def shortened(name: str, most: int) -> str:
    """A name that fits into a figure."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _square(strengths: pd.DataFrame, entrant: str, columns: list[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(columns)}
    matrix = np.full((len(columns), len(columns)), np.nan)
    part = strengths[strengths["rows"] == entrant]
    for first, second, strength in zip(part["first"], part["second"], part["strength"], strict=True):
        i, j = place[first], place[second]
        matrix[i, j] = matrix[j, i] = strength
    np.fill_diagonal(matrix, 1.0)
    return matrix
