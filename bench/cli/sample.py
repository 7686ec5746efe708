"""The command that writes rows: of a saved model, or of a table that it fits one on first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tabstep.cli import table
from tabstep.cli.options import MOST_STEPS, Many, console, device_named, stop

if TYPE_CHECKING:
    import pandas as pd

    from tabstep.api.preparing import Prepared
    from tabstep.api.stepless import Stepless
    from tabstep.api.synthesizer import Synthesizer

DEFAULT = (
    "mixture-dpmpp-2m-sde"  # registry.DEFAULT_SAMPLER, which a test holds it to: --help imports no registry
)
FEW = "3 to 7"  # registry.FEW_EVALUATIONS, likewise
SAVED = "only with a table; a saved model has its columns already"


def sample(
    source: Annotated[
        Path, typer.Argument(metavar="TABLE|MODEL", help="A table to fit on, or the folder of a saved model.")
    ],
    rows: Annotated[int, typer.Option(help="How many rows to write.", min=1)],
    out: Annotated[Path, typer.Option(help="File to write: .parquet, .csv or .tsv.")],
    where: Annotated[
        Many,
        typer.Option(
            help="A condition, as `class=fraud`, `age=18..30` or `due=..2024-06-30`; repeat for more."
        ),
    ] = None,
    balance: Annotated[
        str | None, typer.Option(help="A column of categories, of which each is to come equally often.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Network evaluations a row, 20 when left out; fewer are faster.", min=1, max=MOST_STEPS
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help=f"A name of `tabstep list samplers`, or mine.py:Euler. Left out, networks that were taught for the "
            f"steps, or else {DEFAULT}, at {FEW} another one where what it begins at is poor."
        ),
    ] = None,
    grid: Annotated[
        str | None, typer.Option(help="A name of `tabstep list grids`, or mine.py:function.")
    ] = None,
    target: table.Target = None,
    numeric: table.Numeric = None,
    categorical: table.Categorical = None,
    date: table.Date = None,
    id: table.Id = None,
    drop: table.Drop = None,
    literal: table.Literal = None,
    missing: table.Missing = None,
    seconds: table.Seconds = None,
    distill: table.Distill = None,
    method: table.Method = "tabstep",
    set_: table.Set = None,
    save: table.Save = None,
    seed: table.Seed = 0,
    device: table.Device = "cpu",
) -> None:
    """Write synthetic rows: of a table, on which a model is fitted first, or of a saved model.

    Memory does not grow with --rows, and killed, the same command on a saved model goes on from the last whole part.

    Examples:

      tabstep sample my.csv --rows 5000 --out rows.parquet --seconds 60 --save model/

      tabstep sample model/ --rows 5000 --out fraud.csv --where class=fraud --where age=18..30 --steps 5

      tabstep sample my.csv --rows 1000 --out even.csv --balance class
    """
    wanted = {"where": where or [], "balance": balance}
    way = {k: v for k, v in (("sampler", sampler), ("grid", grid), ("steps", steps)) if v is not None}
    if out.exists() and source.exists() and out.resolve() == source.resolve():
        stop(f"--out {out} is the table itself; name another file")
    said = table.Said(numeric, categorical, date, id, drop, literal, missing)
    found = table.gathered()
    model: Synthesizer | Stepless
    with found.faults():
        _check_out(out)
    if source.is_dir():
        table.refuse_options(
            {
                "target": target,
                "numeric": numeric,
                "categorical": categorical,
                "date": date,
                "id": id,
                "drop": drop,
                "literal": literal,
                "missing": missing,
                "seconds": seconds,
                "distill": distill,
                "set": set_,
                "save": save,
            },
            SAVED,
        )
        model = _loaded(source, device)
        with found.faults():
            model.way(**way)  # type: ignore[arg-type]
        with found.faults():
            _check_named([c.name for c in (*model.columns, *model.compounds)], wanted)
        found.end()
    else:
        settings: Any = None
        with found.faults():
            settings = table.settings(method, set_, seconds)
            if save is not None:
                table.refuse_to_keep(settings)
            budgets = table.budgets(distill, settings)
        with found.faults():
            _check_way(settings, way)
        with found.faults():
            frame = table.read(source, literal, missing, table.as_written(numeric))
            names = [str(name) for name in frame.columns]
            with found.faults(source.name):
                ready = table.prepared(frame, target or _label(frame, wanted), said, seed)
                names += [part for each in ready.compounds for part in each.parts]
            with found.faults():
                _check_named(names, wanted)
        found.end()
        table.show(source, ready)
        _check(ready, settings, wanted)
        model = table.fitted(ready, settings, device)
        if save is None:
            table.teach(model, budgets)
        else:
            table.keep(model, save, budgets)
            console.print(f"model: {escape(str(save))}", soft_wrap=True, highlight=False)
    words = _taught(model, way)
    _write(model, out, rows, wanted, way, seed)
    for line in (*([f"drawn by {words}"] if words else ()), f"{rows:,} rows: {out}"):
        console.print(escape(line), highlight=False, soft_wrap=True)


def _taught(model: Synthesizer | Stepless, way: dict[str, Any]) -> str | None:
    """How rows are drawn; teaches the networks of a sampler that needs them, where one can see how far it is."""
    from tabstep.api import taught
    from tabstep.api.synthesizer import Synthesizer

    if not isinstance(model, Synthesizer):
        return None
    chosen = model.way(**way)
    if way.get("sampler") == taught.SAMPLER and chosen.steps <= taught.MOST:
        table.teach(model, [chosen.steps])
    return chosen.words


def _check_out(out: Path) -> None:
    from tabstep.data import parts

    parts.check(out)


def _loaded(folder: Path, device: str) -> Synthesizer:
    from tabstep.api.fitting import load

    try:
        return load(folder, device_named(device))
    except FileNotFoundError:
        stop(f"{folder} holds no model; `tabstep fit my.csv --save {folder}` makes one")


def _label(frame: pd.DataFrame, wanted: dict[str, Any]) -> str | None:
    """The column of a condition that can be the target, so that the network itself meets it: text without gaps."""
    import pandas as pd

    from tabstep.data.compound import compound_of
    from tabstep.data.wishes import Sampling

    conditions = table.names_of(wanted["where"], frame.columns)
    names = ([wanted["balance"]] if wanted["balance"] else []) + conditions
    for name in names:
        if (
            name in frame.columns
            and frame[name].notna().all()
            and not pd.api.types.is_numeric_dtype(frame[name])
            and compound_of(frame[name], {*frame.columns}, Sampling()) is None
        ):
            console.print(f"target: {escape(name)}, so that the network itself meets the condition on it")
            return str(name)
    return None


def _check_way(settings: Any, way: dict[str, Any]) -> None:
    """Raise ValueError for a way to draw that a method, None where there is none, does not have."""
    from tabstep.api.choosing import has_steps
    from tabstep.api.way import Way

    if settings is None:
        return
    if has_steps(settings):
        Way.of(**way, T=settings.T)
    elif way:
        raise ValueError(
            f"--{', --'.join(way)}: {type(settings).__name__} draws rows without steps; leave that out"
        )


def _check_named(columns: list[str], wanted: dict[str, Any]) -> None:
    """Raise Faults for conditions on columns that a table lacks."""
    from tabstep.api import asked
    from tabstep.data.wishes import refuse

    known, faults = dict.fromkeys(columns), []
    names = [("where", name) for name in table.names_of(wanted["where"], known)]
    for what, name in [*names, *([("balance", wanted["balance"])] if wanted["balance"] else [])]:
        try:
            asked.one_column(what, name, known)
        except ValueError as error:
            faults.append(str(error))
    refuse(faults)


def _check(ready: Prepared, settings: Any, wanted: dict[str, Any]) -> None:
    """Raise ValueError before the training for conditions that no row could meet; say how common one is."""
    import numpy as np

    from tabstep.api import conditions, contradictions
    from tabstep.api.choosing import has_steps
    from tabstep.data import compound
    from tabstep.data.encode import Encoder

    has = has_steps(settings)
    inner = ready.completion.inner
    encoder = settings.encoder(ready.train, inner) if has else Encoder.fit(ready.train, inner)
    ids = [each.name for each in ready.identifiers]
    where = conditions.written(compound.asked(wanted["where"], ready.compounds), ready.columns, ids)
    read = conditions.read(where, ready.columns, ready.completion, encoder, ids)
    contradictions.check(read, ready.constraints)
    if wanted["balance"]:
        conditions.balanced(wanted["balance"], ready.columns, read, ids)
    if read:
        frame = ready.frame
        met = np.logical_and.reduce([condition.holds(frame) for condition in read])
        said = " and ".join(condition.said for condition in read)
        console.print(
            f"{escape(said)}: {int(met.sum()):,} of {len(frame):,} rows of the table",
            highlight=False,
            soft_wrap=True,
        )
        if not met.any():
            table.note("no row of the table meets all of that, and drawn ones may not either")


def _write(
    model: Synthesizer | Stepless,
    out: Path,
    rows: int,
    wanted: dict[str, Any],
    way: dict[str, Any],
    seed: int,
) -> None:
    from tabstep.api import conditions
    from tabstep.cli.waiting import Waiting
    from tabstep.data import compound

    ids = [each.name for each in model.identifiers]
    where = conditions.written(compound.asked(wanted["where"], model.compounds), model.columns, ids)
    with table.noted(), Waiting(console, "drawing", "rows") as view:
        how = model.sample_to(
            out, rows, where=where, balance=wanted["balance"], seed=seed, progress=view, **way
        )
    for line in how.lines() if how is not None else ():
        console.print(escape(line), highlight=False, soft_wrap=True)
