"""Our scores beside the published ones: difference, its standard deviation, and whether 2 of them cover it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from tabstep.records import store
from tabstep.report.numbers.table import PRIMARY, csv
from tabstep.shipped import shipped

REFERENCE = shipped("results", "reference", "published_results.csv")
TABLE = "Table 5: ML efficiency, tuned CatBoost"

NAMES = {"real": "Real", "smote": "SMOTE", "tvae": "TVAE", "ctgan": "CTGAN", "tabddpm": "TabDDPM"}
"""Our methods and the rows of the published table that they stand beside."""

KEY = ["suite", "dataset", "method", "params", "sampler", "grid", "steps", "metric"]
COLUMNS = (*KEY, "mean", "std", "published", "published_std", "difference", "z", "within", "source")


def against(results: pd.DataFrame) -> pd.DataFrame:
    """One row for each of `results` (see `table.results`) that has a published counterpart.

    z is the difference over sqrt(std^2 + published_std^2), where each std is over single scores (here: all seeds);
    `within` is |z| <= 2. Both are empty where a deviation is missing.
    """
    published = pd.read_csv(REFERENCE)
    published = published[published["table"] == TABLE]
    published = published[["dataset", "method", "mean", "std", "source"]].rename(
        columns={"method": "name", "mean": "published", "std": "published_std"}
    )
    ours = results[results["metric"].notna() & (results["metric"] == results["task"].map(PRIMARY))]
    ours = ours.assign(name=ours["method"].map(NAMES)).dropna(subset=["name", "mean"])
    both = ours.merge(published, on=["dataset", "name"], how="inner", suffixes=("", "_of_source"))
    both["difference"] = both["mean"] - both["published"]
    both["z"] = both["difference"] / np.sqrt(both["std"] ** 2 + both["published_std"] ** 2)
    both["within"] = (both["z"].abs() <= 2).where(both["z"].notna())
    return both[list(COLUMNS)]


def write(compared: pd.DataFrame, folder: Path) -> list[Path]:
    """Write published.csv into `folder`; return its path."""
    path = folder / "published.csv"
    store.replace(path, csv(compared).encode())
    return [path]


def show(compared: pd.DataFrame, console: Console) -> None:
    """Print the comparison on a terminal."""
    view = Table(
        title="beside the published scores (TabDDPM paper, Table 5)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for name in ("dataset", "method", "steps", "ours", "published", "diff", "z", "within 2 sd"):
        view.add_column(name, justify="left" if name in ("dataset", "method") else "right", no_wrap=True)
    for row in compared.to_dict("records"):
        deviation = "" if pd.isna(row["std"]) else f"±{row['std']:.3f}"
        view.add_row(
            row["dataset"],
            row["method"] if row["params"] == "default" else f"{row['method']} {row['params']}",
            "" if pd.isna(row["steps"]) else str(row["steps"]),
            f"{row['mean']:.3f}{deviation}",
            f"{row['published']:.3f}±{row['published_std']:.3f}",
            f"{row['difference']:+.3f}",
            "" if pd.isna(row["z"]) else f"{row['z']:+.1f}",
            "" if pd.isna(row["within"]) else ("yes" if row["within"] else "no"),
        )
    console.print(view)
