"""What follows a plan, for suites and studies alike: carrying it out, summing up, reporting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

from tabstep.cli.options import console, errors, records_in, stop

if TYPE_CHECKING:
    from tabstep.engine.executors import Executor
    from tabstep.engine.folder import Folder
    from tabstep.engine.job import Stages
    from tabstep.engine.plan import Plan
    from tabstep.engine.run import Status


def carry_out(
    todo: Plan,
    folder: Folder,
    timeout_s: float | None = None,
    stages: Stages | None = None,
    executor: Executor | None = None,
) -> Status:
    from tabstep.cli.progress import View
    from tabstep.engine.held import Busy
    from tabstep.engine.job import STAGES
    from tabstep.engine.run import execute

    try:
        with View(console) as view:
            chosen = stages or STAGES
            return execute(todo, folder, stages=chosen, executor=executor, timeout_s=timeout_s, watch=view)
    except KeyboardInterrupt:
        errors.print("stopped; finished cells are kept, the same command goes on from here")
        raise typer.Exit(130) from None
    except Busy as error:
        stop(str(error))
    except ConnectionError as error:
        stop(f"no cluster to run on: {error}")
    except OSError as error:
        stop(f"{error}; finished cells are kept, the same command goes on once {folder.root} can be written")


def summary(todo: Plan, status: Status, folder: Any) -> None:
    counts = {kind: sum(o.status == kind for o in status.outcomes) for kind in ("ok", "failed", "skipped")}
    console.print(f"{counts['ok']} cells done, {counts['failed']} failed, {counts['skipped']} skipped")
    shown: set[tuple[str, str]] = set()
    for outcome in status.outcomes:
        key = (outcome.cell.dataset, outcome.reason or "")
        if outcome.status != "ok" and key not in shown:
            shown.add(key)
            console.print(
                escape(f"  {outcome.status}: {outcome.cell.dataset} {outcome.cell.method}: {outcome.reason}")
            )
    if counts["failed"]:
        console.print(f"tracebacks are in {escape(str(folder.root / 'logs'))}")
        raise typer.Exit(1)


def make_report(folder: Any, out: Console) -> None:
    from tabstep.report.figures import plots, timesteps
    from tabstep.report.numbers import table
    from tabstep.report.pages import against, enough, readable, scores, statistics

    records = records_in(folder.runs)
    if not records:
        stop(f"no records in {folder.runs}; `tabstep run {folder.root.name}` makes them")
    report = folder.root / "report"
    written = readable.write(records, report)
    frame = table.results(records)
    if (frame["status"] != "skipped").any() and frame["mean"].notna().any():
        written += plots.quality_against_cost(frame, report)
        written += statistics.write(records, frame, report)
        written += enough.write(frame, report)
    written += timesteps.write(records, report)
    written += scores.write(frame, report)
    readable.show(frame, out)
    compared = against.against(frame)
    if not compared.empty:
        written += against.write(compared, report)
        against.show(compared, out)
    out.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)
