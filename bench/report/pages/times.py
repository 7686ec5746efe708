"""Times for people: a Markdown file and a terminal, and the table behind both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tabstep.records import store
from tabstep.report.numbers.table import csv

Row = dict[Any, Any]

BUSY = 0.1  # from here on the page warns

INTRO = """# Times

Median seconds from noise (or nothing) to decoded rows, quartiles in brackets, for each number of rows drawn at once;
the first draw does not count. *network*, *decode* are shares of the largest batch; *unit* is its time a row in units of
the machine, the millions of operations that its float32 matrix product does meanwhile. All columns: `times.csv`.
"""


def write(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write times.csv and times.md into `folder`; return their paths."""
    store.replace(folder / "times.csv", csv(table).encode())
    lines = [INTRO, *(f"{note}\n" for note in _notes(table))]
    for title, part in _sections(table):
        rows = _lines(part, _quartiles)
        lines += [f"## {title}\n", "| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
        lines += ["| " + " | ".join(row.values()) + " |" for row in rows] + [""]
    store.replace(folder / "times.md", "\n".join(lines).encode())
    return [folder / "times.csv", folder / "times.md"]


def show(table: pd.DataFrame, console: Console) -> None:
    """Print one table a dataset and device."""
    for title, part in _sections(table):
        rows = _lines(part, _median)
        view = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for name in rows[0]:
            view.add_column(name, justify="left" if name in ("method", "sampler") else "right")
        for row in rows:
            view.add_row(*(Text(value) for value in row.values()))
        console.print(view)
    for note in _notes(table):
        console.print(note, soft_wrap=True)


def _sections(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Times of one dataset on one device, and what they are called: a GPU by its name."""
    for (dataset, device), part in table.groupby(["dataset", "device"], sort=False):
        yield str(dataset) if device == "cpu" else f"{dataset}, {device}", part


def _notes(table: pd.DataFrame) -> list[str]:
    notes = []
    if (busy := table["busy"].max()) > BUSY:
        notes.append(f"Not alone: other work took up to {busy:.0%} of the cores; do not quote these times.")
    missing = table[table["status"] != "ok"]
    counted = Counter(f"{row['status']}: {row['reason']}" for row in missing.to_dict("records"))
    return notes + [f"{count} {text}" for text, count in counted.items()]


def _lines(part: pd.DataFrame, seconds: Callable[[Row], str]) -> list[dict[str, str]]:
    """One line a cell with a column a batch, whose text `seconds` makes."""
    batches = sorted(part["rows"].unique())
    keys = ["method", "params", "sampler", "grid", "steps"]
    lines = []
    for key, cells in part.groupby(keys, sort=False, dropna=False):
        method, params, sampler, grid, steps = (str(name) for name in key)
        by_rows = {row["rows"]: row for row in cells.to_dict("records")}
        done = [row for row in by_rows.values() if row["status"] == "ok"]
        largest: Row = max(done, key=lambda row: row["rows"], default={})
        walks = bool(cells["sampler"].notna().all())
        lines.append(
            {
                "method": method if params == "default" else f"{method} ({params})",
                "sampler": f"{sampler} {grid}" if walks else "",
                "steps": steps if walks else "",
                **{
                    f"{n:,} {'row' if n == 1 else 'rows'}": seconds(by_rows[n]) if n in by_rows else ""
                    for n in batches
                },
                "rows/s": f"{largest['rows_per_s']:,.0f}" if largest else "",
                "network": _share(largest, "network_s"),
                "decode": _share(largest, "decode_s"),
                "unit": f"{1000 * largest['gemm_gflop'] / largest['rows']:,.3g}" if largest else "",
                "peak MiB": f"{max((row['memory_bytes'] for row in done), default=0) / 2**20:,.0f}",
            }
        )
    return lines


def _median(row: Row) -> str:
    if row["status"] != "ok":
        return str(row["status"])
    scale, unit = _scale(row)
    return f"{row['median_s'] * scale:.3g} {unit}"


def _quartiles(row: Row) -> str:
    if row["status"] != "ok":
        return _median(row)
    scale, _ = _scale(row)
    return f"{_median(row)} [{row['q1_s'] * scale:.3g}, {row['q3_s'] * scale:.3g}]"


def _scale(row: Row) -> tuple[int, str]:
    return (1000, "ms") if row["median_s"] < 1 else (1, "s")


def _share(row: Row, name: str) -> str:
    return f"{row[name] / row['median_s']:.0%}" if row and pd.notna(row[name]) else ""
