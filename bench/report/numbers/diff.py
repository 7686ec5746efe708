"""Two folders of results, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pandas as pd

from tabstep.records.store import Cell, Record

What = Literal["same", "within", "differs", "status", "only in A", "only in B"]

FEW = 3  # names of scores in a line

COLUMNS = ("cell", "what", "metric", "a", "b", "difference", "said")


def diff(a: Iterable[Record], b: Iterable[Record], tolerance: float = 0.0) -> pd.DataFrame:
    """A row for each cell of either folder, with the score that lies furthest apart.

    what  same: every score is; within: no score is further apart than `tolerance`; differs: one is, or is there on
          one side alone or another number of times; status: one is not ok, or fails for another reason; only in A, only
          in B
    `said` names what else differs: settings, data, evaluations.
    """
    left, right = ({_place(r.cell): r for r in records} for records in (a, b))
    rows = [_row(place, left.get(place), right.get(place), tolerance) for place in sorted({*left, *right})]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _place(cell: Cell) -> str:
    return str(cell.path.with_suffix(""))


def _row(place: str, a: Record | None, b: Record | None, tolerance: float) -> dict[str, object]:
    line: dict[str, object] = {"cell": place, "metric": None, "a": None, "b": None, "difference": None}
    if a is None or b is None:
        return line | {"what": "only in B" if a is None else "only in A", "said": ""}
    said = _else(a, b)
    if a.status != "ok" or b.status != "ok":
        both = f"{_status(a)} / {_status(b)}"
        same = a.status == b.status and a.reason == b.reason
        return line | {"what": "same" if same else "status", "said": "; ".join(filter(None, (both, *said)))}
    missing = sorted(set(a.scores) ^ set(b.scores))
    if missing:
        said.append(f"scored by one alone: {_few(missing)}")
    pairs = {metric: (values, b.scores[metric]) for metric, values in a.scores.items() if metric in b.scores}
    uneven = [metric for metric, (x, y) in pairs.items() if len(x) != len(y)]
    apart = {
        metric: max((abs(v - w) for v, w in zip(x, y, strict=True)), default=0.0)
        for metric, (x, y) in pairs.items()
        if metric not in uneven
    }
    if uneven:
        said.append(f"scored another number of times: {_few(uneven)}")
    if apart:
        worst = max(apart, key=lambda metric: apart[metric])
        mean_a, mean_b = (sum(r.scores[worst]) / len(r.scores[worst]) for r in (a, b))
        line |= {"metric": worst, "a": mean_a, "b": mean_b, "difference": apart[worst]}
    largest = max(apart.values(), default=0.0)
    alike: What = "same" if largest == 0 else "within" if largest <= tolerance else "differs"
    what: What = "differs" if missing or uneven else alike
    return line | {"what": what, "said": "; ".join(said)}


def _few(metrics: list[str]) -> str:
    more = f" and {len(metrics) - FEW} more" if len(metrics) > FEW else ""
    return ", ".join(metrics[:FEW]) + more


def _status(record: Record) -> str:
    return record.status if record.reason is None else f"{record.status} ({record.reason})"


def _else(a: Record, b: Record) -> list[str]:
    said = []
    if a.dataset_digest != b.dataset_digest:
        said.append("other data")
    for part in sorted({*a.settings, *b.settings} - {"drawn", "fitted", "unscored"}):
        if a.settings.get(part) != b.settings.get(part):
            said.append(f"other {part} settings")
    if a.nfe != b.nfe:
        said.append(f"evaluations {a.nfe:g} / {b.nfe:g}" if a.nfe and b.nfe else "evaluations")
    if a.eval_seeds != b.eval_seeds:
        said.append("other evaluator seeds")
    return said
