"""The leaderboard: one HTML page with its data, style and script in it, which needs no network and no server."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabstep.metrics import facts
from tabstep.records import gather, store, where
from tabstep.records.store import Record
from tabstep.report.figures.hues import colour
from tabstep.report.numbers.budget import steps_to_equal_quality
from tabstep.report.numbers.compare import DUST, LEAST_MARGIN, LEVEL, MARGIN
from tabstep.report.numbers.copies import copies, group_of
from tabstep.report.numbers.table import CEILING, GROUP, PRIMARY, REAL_ROWS, results
from tabstep.report.numbers.vector import VECTOR
from tabstep.report.pages.readable import ONE_NETWORK

PAGE = Path(__file__).resolve().parent / "page"
HERE = "here"
READING = (
    "± is half of the 95 % interval of the mean, over training seeds where an entry has more than one, else over "
    f"sampling seeds, else over evaluator seeds, {ONE_NETWORK}."
)


@dataclass(frozen=True, eq=False)
class Part:
    """Records of one origin: `origin` is `HERE` or the name of a submission; how cells came out that were verified."""

    records: Sequence[Record]
    origin: str = HERE
    verified: Mapping[str, str] = field(default_factory=dict)


def write(parts: Sequence[Part], path: Path) -> Path:
    """Write the page to `path`. Raises ValueError where there is no record to show."""
    store.replace(path, page(parts).encode())
    return path


def page(parts: Sequence[Part]) -> str:
    """The text of the page."""
    found = data(parts)
    script = (PAGE / "page.js").read_text(encoding="utf-8")
    # An inline script runs by its hash alone, so that no text of an entry ever could.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = json.dumps(found, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":  # none of which may end or begin anything inside a script element
        text = text.replace(character, f"\\u{ord(character):04x}")
    whole = (PAGE / "page.html").read_text(encoding="utf-8")
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    for name, content in (
        ("script_hash", f"sha256-{digest}"),
        ("style", style),
        ("data", text),
        ("script", script),
    ):
        whole = whole.replace(f"{{{name}}}", content, 1)
    return whole


def data(parts: Sequence[Part]) -> dict[str, Any]:
    """What the page shows, as plain JSON values. Raises ValueError where there is no record.

    An entry that an earlier part has too, cell by cell with the same keys, is named there and not shown again.
    """
    parts, again = _once(parts)
    entries: list[dict[str, Any]] = []
    enough: list[dict[str, Any]] = []
    settings, environments = _Distinct(), _Distinct()
    for part in parts:
        for suite in sorted({r.cell.suite for r in part.records}):
            records, _ = gather.apart([r for r in part.records if r.cell.suite == suite])
            table = results(records)
            entries += _entries(records, table, part, settings, environments)
            enough += _enough(table, part)
    for entry in entries:
        entry["again"] = again.get((entry["from"], *(entry[name] for name in GROUP)), [])
    if not entries:
        raise ValueError("there are no records to show; `tabstep run quick` makes some")
    records = [r for part in parts for r in part.records]
    known = {m: fact for e in entries for m in e["scores"] if (fact := facts.known(m)) is not None}
    walkers = {(e["method"], e["sampler"]) for e in entries}
    own = [e for e in entries if e["from"] == HERE] or entries
    sets = {
        s: len({e["dataset"] for e in own if e["suite"] == s and e["steps"]})
        for s in {e["suite"] for e in own}
    }
    return {
        "entries": entries,
        "settings": settings.values,
        "environments": environments.values,
        "enough": enough,
        "vector": [asdict(score) for score in VECTOR],
        "primary": PRIMARY,
        "lower": sorted(m for m, fact in known.items() if fact.better == "lower"),
        "chance": {m: fact.enough for m, fact in sorted(known.items()) if fact.enough is not None},
        "expected": {m: fact.expected for m, fact in sorted(known.items()) if fact.better == "expected"},
        "ceiling": CEILING,
        "real": list(REAL_ROWS),
        "margin": MARGIN,
        "least_margin": LEAST_MARGIN,
        "dust": DUST,
        "level": LEVEL,
        "suite": max(sorted(sets), key=lambda s: sets[s]),
        "colours": {f"{m} {s or ''}": colour(m, s or "") for m, s in sorted(walkers, key=str)},
        "about": _about(entries, records),
        "made": _made(records),
        "reading": READING,
    }


def _once(parts: Sequence[Part]) -> tuple[list[Part], dict[tuple[Any, ...], list[str]]]:
    """Parts without copies of what parts before them have, our own first; by origin and group, who handed in copies."""
    kept: list[Part] = []
    again: dict[tuple[Any, ...], list[str]] = {}
    for part in sorted(parts, key=lambda part: part.origin != HERE):
        left = part
        for before in kept if part.origin != HERE else []:
            twice = copies(before.records, left.records)
            for group, apart in twice.items():
                again.setdefault((before.origin, *group), []).append(_handed_in(part.origin, apart))
            left = replace(left, records=[r for r in left.records if group_of(r.cell) not in twice])
        kept.append(left)
    return kept, again


def _handed_in(origin: str, apart: float) -> str:
    same = "the same score" if apart <= DUST else f"a score that is up to {apart:.3g} away"
    return f"also handed in by {origin}, with {same}"


class _Distinct:
    """Values by number, each kept once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True, default=str)
        if key not in self.numbers:
            self.numbers[key] = len(self.values)
            self.values.append(value)
        return self.numbers[key]


def _entries(
    records: Sequence[Record],
    table: pd.DataFrame,
    part: Part,
    settings: _Distinct,
    environments: _Distinct,
) -> Iterable[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(getattr(record.cell, name) for name in GROUP), []).append(record)
    for _, rows in table.groupby(list(GROUP), sort=False, dropna=False):
        first = {str(name): None if pd.isna(value) else value for name, value in rows.iloc[0].items()}
        group = groups[tuple(first[name] for name in GROUP)]
        done = [r for r in group if r.status == "ok"]
        shown = done[0] if done else group[0]
        c = shown.cell
        entry = {name: getattr(c, name) for name in GROUP}
        path = "/".join(str(v) for v in entry.values() if v is not None)
        yield {
            "id": path if part.origin == HERE else f"{path}@{part.origin}",
            **entry,
            "task": shown.task,
            "from": part.origin,
            **{n: _short(first[n]) for n in ("nfe", "rows", "fit_s", "prepare_s", "sample_s")},
            "scores": {
                row.metric: [_short(row.mean), _short(row.low), _short(row.high)]
                for row in rows.dropna(subset=["metric"])[["metric", "mean", "low", "high"]].itertuples(
                    index=False
                )
            },
            "units": [
                [r.cell.train_seed, r.cell.sample_seed, float(np.mean(r.scores[PRIMARY[r.task]]))]
                for r in done
                if r.scores.get(PRIMARY[r.task])
            ],
            "seeds": [
                sorted({r.cell.train_seed for r in group}),
                sorted({r.cell.sample_seed for r in group}),
                sorted({seed for r in group for seed in r.eval_seeds}),
            ],
            "cells": len(group),
            "status": first["status"],
            "reason": first["reason"],
            "mark": first["mark"],
            "failures": sorted({f"{r.status}: {r.reason}" for r in group if r.reason}),
            "commit": first["commit"],
            "created": max(r.created for r in group),
            "verified": _verified(group, part.verified),
            "settings": settings.number(
                {k: v for k, v in shown.settings.items() if k not in ("drawn", "fitted", "unscored")}
            ),
            "env": environments.number(
                {k: v for k, v in shown.env.items() if not k.startswith(("commit", "dirty"))}
                | _elsewhere(shown)
            ),
        }


def _elsewhere(record: Record) -> dict[str, Any]:
    """The devices of the network and of the draw, where the scores are of another one."""
    on = {"trained_on": where.trained(record), "drawn_on": where.drew(record)}
    return {} if set(on.values()) == {where.named(record.env)} else on


def _enough(table: pd.DataFrame, part: Part) -> list[dict[str, Any]]:
    """K* of each sampler by each score of the vector, and the largest; None where there is none."""
    rows = steps_to_equal_quality(table).to_dict("records")
    return [
        {str(k): None if pd.isna(v) else v for k, v in row.items()} | {"from": part.origin} for row in rows
    ]


def _verified(group: Sequence[Record], verified: Mapping[str, str]) -> str | None:
    """The worst of what was found of the cells of a group."""
    found = {verified.get(str(r.cell.path)) for r in group}
    return next((how for how in ("differs", "failed", "equivalent", "bitwise") if how in found), None)


def _short(value: Any) -> Any:
    """Six significant digits, which no one reads more of."""
    return None if value is None or pd.isna(value) else float(f"{float(value):.6g}")


def _about(entries: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> str:
    reported = sum(e["from"] != HERE for e in entries)
    sets, suites = len({e["dataset"] for e in entries}), sorted({e["suite"] for e in entries})
    return (
        f"Tabular diffusion and its accelerated samplers, by step budget: {len(entries)} entries from {len(records)} "
        f"cells on {sets} datasets, suites {', '.join(suites)}"
        + (f"; {reported} self-reported by others." if reported else ".")
        + " Choose an entry for its parameters, seeds and machine; the address holds what you see."
    )


def _made(records: Sequence[Record]) -> str:
    days = sorted(datetime.fromisoformat(r.created).date().isoformat() for r in records)
    commits = {str(r.env.get("commit") or "unknown")[:12] for r in records}
    machines = sorted({where.processor(r.env) for r in records})
    return f"Made from records of {days[0]} to {days[-1]} (UTC) by {len(commits)} commits on {', '.join(machines)}."
