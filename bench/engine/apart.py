"""Code from outside: methods fit and draw, samplers and grids lead a network, each in a process of its own.

That process works in a folder of its own below the results. What it leaves there counts only as a whole model or as
whole rows under the key that was asked for, is read without running anything, and is written anew by this process:
nothing that it does to modules, threads, random state or the environment reaches a score, or another method. Rows
are checked, scored and recorded here.
"""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tabstep.contracts import Unsupported
from tabstep.engine import cells, drawn_rows, models, outcomes
from tabstep.engine.folder import Folder
from tabstep.engine.job import STAGES, Job, Outcome, Stages
from tabstep.engine.outcomes import Elsewhere
from tabstep.engine.worker import start_worker
from tabstep.records import store
from tabstep.sandbox.process import Ending, attempt

What = Literal["fit", "draw", "lead"]
MOST_LOG = 100_000  # bytes of a log that are taken over


def fit_diffusion(job: Job, folder: Folder) -> None:
    """`models.fit_diffusion` with a method from outside. Raises `Elsewhere` with what went wrong, and `Unsupported`."""
    if models.sound(folder.model(job)):
        return
    with _place(folder) as place:
        ending = _attempt("fit", [job], place)
        if not models.sound(place.model(job)):
            raise _failure(job, place, ending, "it had fitted a model")
        facts = models.facts_of(place.model(job))
        wanted = {
            "dataset_digest": job.dataset_digest,
            "settings": json.loads(json.dumps(job.describe()["method"])),
        }
        if {name: facts.get(name) for name in wanted} != wanted:
            raise Elsewhere("it left a model of other data or settings")
        folder.model(job).parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder.model(job), ignore_errors=True)
        place.model(job).replace(folder.model(job))


def run_cell(job: Job, folder: Folder, stages: Stages = STAGES) -> Outcome:
    """`cells.run_cell` with a sampler or a grid from outside, which leads a copy of the network."""
    if "draw" in stages and not drawn_rows.there(folder.rows(job.cell), job.draw_key):
        try:
            _lead(job, folder)
        except Exception as error:  # noqa: BLE001  whatever a stranger does is one row
            return outcomes.fail(folder, job, error)
    return cells.run_cell(job, folder, tuple(s for s in stages if s == "score"))


def _lead(job: Job, folder: Folder) -> None:
    """Draw the rows of a cell and take them over. Of the network it is known here which it is."""
    fitted = models.origin_of(folder.model(job))
    with _place(folder) as place:
        shutil.copytree(folder.model(job), place.model(job))
        ending = _attempt("lead", [job], place)
        _take(job, place, folder, ending, fitted=fitted, scores={})


def run_baseline(jobs: Sequence[Job], folder: Folder, stages: Stages = STAGES) -> list[Outcome]:
    """`cells.run_baseline` with a method from outside."""
    missing = [job for job in jobs if not drawn_rows.there(folder.rows(job.cell), job.draw_key)]
    failed = _draw(missing, folder) if missing and "draw" in stages else {}
    found = []
    for job in jobs:
        if job.key in failed:
            found.append(outcomes.fail(folder, job, failed[job.key]))
        else:
            found += cells.run_baseline([job], folder, tuple(s for s in stages if s == "score"))
    return found


def _draw(jobs: Sequence[Job], folder: Folder) -> dict[str, Exception]:
    """Draw rows of cells and take them over; what went wrong, by the key of the cell."""
    failed: dict[str, Exception] = {}
    with _place(folder) as place:
        ending = _attempt("draw", jobs, place)
        for job in jobs:
            try:
                _take(job, place, folder, ending)
            except Exception as error:  # noqa: BLE001  whatever a stranger leaves there is one row
                failed[job.key] = error
    return failed


def _take(job: Job, place: Folder, folder: Folder, ending: Ending, **known: Any) -> None:
    """Take the rows of a cell over; `known` are fields of `Drawn` that are not for that process to say."""
    schema, path = job.source.load().schema, place.rows(job.cell)
    if not _plain(path) or not _plain(path.with_suffix(".json")):
        raise _failure(job, place, ending, "its rows were drawn")
    try:
        rows, drawn = drawn_rows.read(path, job.draw_key, schema)
    except drawn_rows.Missing as gap:
        raise Elsewhere(f"its process {ending}, and left no rows: {gap}") from None
    if list(rows.columns) != list(schema.columns) or len(rows) != job.rows:
        raise Elsewhere(f"it left {len(rows)} rows of {', '.join(rows.columns)}")
    drawn_rows.write(folder.rows(job.cell), rows, replace(drawn, env=job.environment(), **known))


def _failure(job: Job, place: Folder, ending: Ending, before: str) -> Exception:
    """What a process says of its failure, or, where it says nothing, how it ended."""
    path = place.runs / job.cell.path
    try:
        said = store.read(path) if _plain(path) else None
    except store.Malformed:
        said = None
    if said is not None and said.status == "skipped":
        return Unsupported(str(said.reason))
    if said is not None and said.status == "failed":
        error = Elsewhere(str(said.reason))
    else:
        error = Elsewhere(f"its process {ending} before {before}")
    log = place.log(job.cell)
    if _plain(log):
        with log.open("rb") as file:
            error.add_note(file.read(MOST_LOG).decode(errors="backslashreplace"))
    return error


def _plain(path: Path) -> bool:
    """Whether it is a file: a pipe would be waited for, and a link leads elsewhere."""
    return path.is_file() and not path.is_symlink()


@contextmanager
def _place(folder: Folder) -> Iterator[Folder]:
    """A folder for one process, on the file system of the results, gone afterwards."""
    folder.apart.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.apart, suffix=".tmp", ignore_cleanup_errors=True) as name:
        yield Folder(Path(name))


def _attempt(what: What, jobs: Sequence[Job], place: Folder) -> Ending:
    request = place.root / "request.pickle"
    request.write_bytes(pickle.dumps((what, list(jobs), place)))
    return attempt("from tabstep.engine.apart import inside; inside(sys.argv[1])", str(request))


def inside(request: str) -> None:
    """In that process: do what the request, which a worker wrote, asks for."""
    what, jobs, place = pickle.loads(Path(request).read_bytes())
    start_worker(jobs[0].threads)
    if what == "draw":
        cells.run_baseline(jobs, place, ("fit", "draw"))
        return
    if what == "lead":
        cells.run_cell(jobs[0], place, ("draw",))
        return
    try:
        models.fit_diffusion(jobs[0], place)
    except Exception as error:  # noqa: BLE001  told to the worker, where it is one row a cell
        outcomes.fail(place, jobs[0], error)
