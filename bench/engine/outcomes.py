"""How a cell ended, as a record: finished, skipped by design, or failed with its traceback in a log."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

from tabstep.contracts import Unsupported
from tabstep.data import plain
from tabstep.engine.drawn_rows import Cost
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Outcome
from tabstep.records import schema, store
from tabstep.records.store import Record


class Elsewhere(Exception):
    """What went wrong in another process, in the words that it had there."""


def record(
    job: Job, status: store.Status, reason: str | None = None, cost: Cost | None = None, **more: Any
) -> Record:
    """A record of a cell with the environment of this process."""
    paid = cost or Cost()
    return Record(
        cell=job.cell,
        status=status,
        reason=None if reason is None else plain.cleaned(reason, schema.MOST_TEXT),
        traceback=more.get("traceback"),
        task=job.task,
        key=job.key,
        settings=job.describe(),
        rows=job.rows or None,
        nfe=paid.nfe,
        fit_s=paid.fit_s,
        prepare_s=paid.prepare_s,
        sample_s=paid.sample_s,
        peak_bytes=paid.peak_bytes,
        scores=more.get("scores", {}),
        eval_seeds=list(job.eval_seeds) if status == "ok" else [],
        dataset_digest=job.dataset_digest or None,
        env=job.environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def fail(folder: Folder, job: Job, error: BaseException, cost: Cost | None = None) -> Outcome:
    """Write the record of a cell that could not be finished: skipped by design, or failed with a traceback.

    Where the cell was finished before, with other settings or fewer scores, that record stays.
    """
    said = plain.cleaned(_text(error), schema.MOST_TEXT // 2)
    finished = finished_key(folder, job) is not None
    if isinstance(error, Unsupported):
        if not finished:
            store.write(folder.runs, record(job, "skipped", said, cost))
        return Outcome(job.cell, "skipped", said)
    reason = reason_of(error)
    log = folder.log(job.cell)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(traceback.format_exception(error))
    where = str(log.relative_to(folder.root))
    if not finished:
        store.write(folder.runs, record(job, "failed", reason, cost, traceback=where))
    return Outcome(job.cell, "failed", reason)


def finished_key(folder: Folder, job: Job) -> str | None:
    """The key under which the cell was finished, perhaps where other data could be reached; None if it was not."""
    try:
        found = store.look_up(folder.runs, job.cell)
    except (FileNotFoundError, store.Malformed):
        return None
    return found.key if found.status == "ok" and found.cell == job.cell else None


def reason_of(error: BaseException) -> str:
    """What went wrong, in a line of a record."""
    said = plain.cleaned(_text(error), schema.MOST_TEXT // 2)
    kind = plain.cleaned(type(error).__name__, schema.MOST_NAME)
    return said if isinstance(error, Elsewhere) and said else f"{kind}: {said}" if said else kind


def _text(error: BaseException) -> str:
    """What an exception says; one from outside may fail at that too."""
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001  whatever a competitor raises
        return f"without a text ({type(second).__name__})"
