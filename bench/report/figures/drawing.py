"""How figures are drawn and kept: one style, PNG and PDF, and the numbers behind each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tabstep.records import store
from tabstep.report.numbers.table import csv

STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "pdf.fonttype": 42,  # text stays text
}


def panels(figure: Figure, count: int, wide: int) -> list[Axes]:
    """`count` axes, at most `wide` beside each other; what the last line has left stays empty."""
    wide = min(wide, count)
    axes = list(figure.subplots(-(-count // wide), wide, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return axes[:count]


def save(figures: Mapping[str, tuple[Callable[[], Figure], pd.DataFrame]], folder: Path) -> list[Path]:
    """Draw each figure as PNG and PDF in the common style, with the numbers that it shows as CSV; return the paths.

    The same numbers give the same bytes.
    """
    written = []
    with matplotlib.rc_context(STYLE):
        for name, (draw, data) in figures.items():
            figure = draw()
            FigureCanvasAgg(figure)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once; each drawing would do it again
            for suffix in ("png", "pdf"):
                buffer = BytesIO()
                dated = {"CreationDate": None} if suffix == "pdf" else {}
                figure.savefig(buffer, format=suffix, dpi=150, bbox_inches="tight", metadata=dated)
                store.replace(folder / f"{name}.{suffix}", buffer.getvalue())
            store.replace(folder / f"{name}.csv", csv(data).encode())
            written += [folder / f"{name}.{suffix}" for suffix in ("png", "pdf", "csv")]
    return written
