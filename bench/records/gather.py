"""Records that may stand in one table: each dataset's of one state of the data, others told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tabstep.data import cards
from tabstep.data.cards import DataError
from tabstep.records import store, where
from tabstep.records.store import Cell, Problem, Record


def gather(root: Path) -> tuple[list[Record], list[Problem]]:
    """The records below `root` that are of one state of their data; every other file, and why it does not count."""
    records, problems = store.read_all(root)
    kept, others = apart(records)
    return kept, [*problems, *others]


def apart(records: Sequence[Record]) -> tuple[list[Record], list[Problem]]:
    """Records of one digest and task a dataset, one a cell and one network a training seed, and the others.

    The digest that counts is that of the card, where a record has it, else that of the newest record: a table of a
    user's own has no card, and when it changes, its older records are of another table. The network that counts is that
    of the newest record: on another device the same seed trains another network.
    """
    counts = {name: _counts(name, found) for name, found in _by_dataset(records).items()}
    networks = _networks(records)
    kept: list[Record] = []
    others: list[Problem] = []
    seen: set[Cell] = set()
    for record in records:
        digest, task = counts[record.cell.dataset]
        if record.cell in seen:
            reason = f"a second record of one cell of the suite {record.cell.suite}"
        elif record.task != task:
            reason = f"{record.cell.dataset} is {task} in other records, {record.task} in this one"
        elif record.dataset_digest not in (None, digest):
            reason = f"of other data than {record.cell.dataset} has now ({digest}): run the cell again"
        elif record.status == "ok" and where.trained(record) != (newest := networks[_network(record.cell)]):
            reason = (
                f"its network was trained on {where.trained(record)}, the newest of this seed on {newest}"
            )
        else:
            kept.append(record)
            seen.add(record.cell)
            continue
        others.append(Problem(Path(record.cell.path), reason))
    return kept, others


def _network(cell: Cell) -> Cell:
    """The cell of a network, which serves all samplers, budgets and sampling seeds."""
    return replace(cell, sampler=None, grid=None, steps=None, sample_seed=0)


def _networks(records: Sequence[Record]) -> dict[Cell, str | None]:
    """The device that trained the newest network of each training seed."""
    finished = [record for record in records if record.status == "ok"]
    return {_network(r.cell): where.trained(r) for r in sorted(finished, key=_age)}


def _by_dataset(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.cell.dataset, []).append(record)
    return found


def _counts(name: str, records: Sequence[Record]) -> tuple[str | None, str]:
    """Digest and task of the records of a dataset that count."""
    known = [r for r in records if r.dataset_digest is not None] or records
    digests = {r.dataset_digest for r in known}
    if len(digests) > 1:
        of_card = [r for r in known if r.dataset_digest == _of_card(name)]
        known = of_card or [max(known, key=_age)]
    newest = max(known, key=_age)
    return newest.dataset_digest, newest.task


def _age(record: Record) -> tuple[datetime, str]:
    return datetime.fromisoformat(record.created), str(record.cell.path)


def _of_card(name: str) -> str | None:
    try:
        return cards.find(name).digest or None
    except DataError:
        return None
