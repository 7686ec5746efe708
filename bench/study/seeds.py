"""How many networks of one recipe a page rests on, and how many draws of each, in words."""

from __future__ import annotations

from collections.abc import Iterable

from tabstep.records.store import Record


def said(records: Iterable[Record]) -> str:
    """How many training seeds each table has: "Training seeds: 3 on abalone and wilt, 1 on adult."."""
    seeds: dict[str, set[int]] = {}
    for r in records:
        seeds.setdefault(r.cell.dataset, set()).add(r.cell.train_seed)
    tables: dict[int, list[str]] = {}
    for name in sorted(seeds):
        tables.setdefault(len(seeds[name]), []).append(name)
    if len(tables) == 1:
        return f"Training seeds of each table: {next(iter(tables))}."
    return (
        f"Training seeds: {', '.join(f'{n} on {_joined(tables[n])}' for n in sorted(tables, reverse=True))}."
    )


def draws_said(records: Iterable[Record]) -> str:
    """How often each network was drawn from, at least: "Sampling seeds of each network: 2, on diabetes 8."."""
    seeds: dict[str, dict[int, set[int]]] = {}
    for r in records:
        seeds.setdefault(r.cell.dataset, {}).setdefault(r.cell.train_seed, set()).add(r.cell.sample_seed)
    tables: dict[int, list[str]] = {}
    for name in sorted(seeds):
        tables.setdefault(min(map(len, seeds[name].values())), []).append(name)
    most = max(tables, key=lambda n: len(tables[n]))
    others = [f", on {_joined(tables[n])} {n}" for n in sorted(tables) if n != most]
    return f"Sampling seeds of each network: {most}{''.join(others)}."


def _joined(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
