"""A table of the user's, from its file to a fitted model: what the commands `fit` and `sample` share."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.options import MOST_SEED, Many, console, device_named, split, stop, whole

if TYPE_CHECKING:
    import pandas as pd

    from tabstep.api.preparing import Prepared
    from tabstep.api.stepless import Stepless
    from tabstep.api.synthesizer import Synthesizer
    from tabstep.data.wishes import Gathered

MOST_RULES = 30  # lines of rules that hold in every row

Target = Annotated[
    str | None,
    typer.Option(help="A column of classes that conditions the network; left out, all columns are alike."),
]
Numeric = Annotated[
    Many,
    typer.Option(
        help="Columns that are numbers, where they were taken for categories; `price=1.234,5` says that commas stand "
        "before decimals, `price=1,234.5` that points do."
    ),
]
Categorical = Annotated[Many, typer.Option(help="Columns that are categories; their values are repeated.")]
Date = Annotated[
    Many, typer.Option(help="Columns of dates, as `day`, or `day=%d/%m/%Y` with the way they are written.")
]
Id = Annotated[Many, typer.Option(help="Columns that name rows; new names are made, each once.")]
Drop = Annotated[Many, typer.Option(help="Columns to leave out.")]
Literal = Annotated[
    Many,
    typer.Option(help="Columns of a CSV whose texts are values as written: NA is no gap, 1.10 is not 1.1."),
]
Missing = Annotated[
    Many, typer.Option(help="Texts and numbers that stand for gaps too, as `?`, or `age=999` in one column.")
]
Method = Annotated[str, typer.Option(help="A name of `tabstep list methods`, or mine.py:Mine.")]
Seconds = Annotated[
    float | None, typer.Option(help="Seconds to train for; left out, as many steps as the method has.", min=1)
]
Distill = Annotated[
    Many,
    typer.Option(help="1, 2 or both: teach networks for so many evaluations, a minute or a few a call."),
]
Set = Annotated[Many, typer.Option("--set", help="A setting of the method, as `layers=256,256`.")]
Seed = Annotated[int, typer.Option(help="Of all that is random.", min=0, max=MOST_SEED)]
Device = Annotated[str, typer.Option(help="cpu, cuda or auto.")]
Save = Annotated[Path | None, typer.Option(help="Folder to keep the model in.")]


def read(
    path: Path, literal: Sequence[str] | None, missing: Sequence[str] | None, written: Sequence[str] = ()
) -> pd.DataFrame:
    """The table in a file. Raises ValueError where it cannot be read.

    written  columns whose texts are not to be read as numbers
    """
    from tabstep.data.files import read_table, told

    frame = read_table(path, tuple(literal or ()), tuple(missing or ()), written)
    for said in told(path):
        note(said)
    return frame


def as_written(numeric: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that --numeric says the writing of. Raises ValueError for an example that is none."""
    from tabstep.data import wishes

    return wishes.as_written(numeric or ())


def gathered() -> Gathered:
    """What gathers all that stands in the way of a command."""
    from tabstep.data.wishes import Gathered

    return Gathered()


@dataclass(frozen=True)
class Said:
    """What the options of a command say of columns, as `Wishes` has it."""

    numeric: Many
    categorical: Many
    date: Many
    id: Many
    drop: Many
    literal: Many
    missing: Many


def prepared(frame: pd.DataFrame, target: str | None, said: Said, seed: int) -> Prepared:
    """The table as a fit takes it. Raises ValueError with all faults and what mends each."""
    from tabstep.api.preparing import prepare, wishes_of
    from tabstep.data.wishes import Sampling

    wishes = wishes_of(frame, **{each.name: getattr(said, each.name) or () for each in fields(said)})
    return prepare(frame, target, wishes, Sampling(), seed)


def fitted(ready: Prepared, settings: Any, device: str) -> Synthesizer | Stepless:
    """A model of the table, with a view of how far it is; says so where the time ended the training early."""
    from tabstep.api.fitting import BRIEF, train
    from tabstep.cli.waiting import Waiting

    reached = expected = 0

    def progress(done: int, total: int, loss: float | None = None) -> None:
        nonlocal reached, expected
        reached, expected = done, total
        view(done, total, loss)

    with noted(), Waiting(console, "fitting", "steps") as view:
        model = train(ready, settings, device_named(device), progress)
    usual = getattr(settings, "steps", 0)
    by_clock = getattr(settings, "seconds", None) and reached == expected
    if by_clock and BRIEF * usual <= reached < usual:  # below it is warned of
        note(
            f"the time was enough for {reached:,} steps of training; the method takes {usual:,} without --seconds, and "
            "rows are mostly better for it"
        )
    return model


def budgets(given: Many, settings: Any) -> tuple[int, ...]:
    """The numbers of evaluations that networks are to be taught for. Raises ValueError for others."""
    from tabstep.api import taught

    try:
        return taught.wanted(
            [whole("--distill", part, low=1, most=taught.MOST) for part in split(given)], settings
        )
    except ValueError as error:
        raise ValueError(f"--{error}") from None


def keep(model: Synthesizer | Stepless, folder: Path, wanted: Sequence[int]) -> None:
    """Save a model, and again with networks for these numbers of evaluations: killed meanwhile, the fit is not lost."""
    from tabstep.named import MODEL

    if (folder / MODEL).exists():
        note(f"the model that was in {folder} is replaced")
    model.save(folder)
    if wanted:
        teach(model, wanted)
        model.save(folder)


def teach(model: Synthesizer | Stepless, wanted: Sequence[int]) -> None:
    """Teach networks for these numbers of evaluations, with a view of how far each is."""
    from tabstep.api.synthesizer import Synthesizer
    from tabstep.cli.waiting import Waiting

    for K in sorted(set(wanted)):
        if isinstance(model, Synthesizer) and K not in model.taught:
            calls = "one call" if K == 1 else "two calls"
            with noted(), Waiting(console, f"teaching {calls} of the network", "steps") as view:
                model.distill(K, progress=view)


def settings(method: str, given: Many, seconds: float | None) -> Any:
    """The method with its settings and its time. Raises ValueError for others."""
    from tabstep.api.choosing import settings_of

    found: dict[str, Any] = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise ValueError(f"--set: expected NAME=VALUE, got {text!r}")
        found[name.strip()] = _plain(value)
    try:
        return settings_of(method, found, seconds=seconds)
    except TypeError as error:
        raise ValueError(str(error)) from None


def refuse_to_keep(settings: Any) -> None:
    """Raise ValueError where models of a method cannot be saved, before one is fitted."""
    from tabstep.api.choosing import has_steps

    if not has_steps(settings):
        raise ValueError(
            f"--save: a model of {type(settings).__name__} cannot be saved, only diffusions can; `tabstep sample` of "
            "the table writes its rows"
        )


def _plain(text: str) -> Any:
    """A value as JSON has it, several with commas between, or the text itself."""
    for attempt in (text, f"[{text}]") if "," in text else (text,):
        try:
            return json.loads(attempt)
        except ValueError:
            continue
    return text


@contextmanager
def noted() -> Iterator[None]:
    """Warnings as lines of their own, without the code that they come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: note(str(message))
        yield


def note(text: str) -> None:
    console.print(f"[yellow]note:[/] {escape(text)}", highlight=False, soft_wrap=True)


def show(path: Path, ready: Prepared) -> None:
    from tabstep.data import naming, neighbours
    from tabstep.data.doubtful_numbers import doubts
    from tabstep.data.files import taken_for_gaps
    from tabstep.data.listed import lines
    from tabstep.data.wishes import Sampling

    frame = ready.frame
    shown = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    shown.title = f"{escape(path.name)}: {len(frame):,} rows, {_target(ready)}"
    for heading in ("column", "taken for", "values", "missing"):
        shown.add_column(heading, justify="right" if heading == "missing" else "left", overflow="fold")
    constant = ready.completion.constant
    for line in lines(frame, ready.columns, ready.identifiers, ready.wishes.drop, constant):
        missing = f"{line.missing:,}" if line.missing else ""
        shown.add_row(escape(line.column), line.taken, escape(line.values), missing)
    console.print(shown, highlight=False)
    for rule in ready.constraints[:MOST_RULES]:
        console.print(f"in every row: {escape(str(rule))}", highlight=False, soft_wrap=True)
    if (more := len(ready.constraints) - MOST_RULES) > 0:
        console.print(
            f"and {more} more rules that hold in every row; `tabstep report` has all", highlight=False
        )
    for span in ready.spans:
        console.print(escape(str(span)), highlight=False, soft_wrap=True)
    if ready.compounds:
        first, cells = ready.compounds[0], ", ".join(f"{c.name} ({c.example})" for c in ready.compounds)
        note(
            f"several values in a cell: {cells}; each is a column here, such as {first.parts[0]}, and rows are "
            f"written as the table is; {Sampling().advise('categorical', first.name)} has its values repeated as they "
            "are"
        )
    for doubt in doubts(frame, ready.columns, ready.identifiers, Sampling()):
        note(doubt)
    for told in (
        *naming.told(ready.things, Sampling()),
        *neighbours.told(ready.frame, ready.wishes, Sampling()),
    ):
        note(told)
    labels = [c.name for c in ready.columns if c.name in ready.completion.schema.labels]
    for name, marks in taken_for_gaps(path, [n for n in labels if frame[n].isna().any()]).items():
        found = ", ".join(f"{text!r} in {count:,} rows" for text, count in marks.items())
        note(
            f"{name}: {found} read as missing; {Sampling().advise('literal', name)} takes such texts as values"
        )


def _target(ready: Prepared) -> str:
    return "all columns alike (no --target)" if ready.target is None else f"target {escape(ready.target)}"


def refuse_options(given: dict[str, Any], why: str) -> None:
    """End where options are given that mean nothing here."""
    unused = [f"--{name}" for name, value in given.items() if value]
    if unused:
        stop(f"{', '.join(unused)}: {why}")


def names_of(texts: Sequence[str], known: Collection[str]) -> list[str]:
    """Columns that conditions of a command line name; the name of a known one may hold the sign."""
    return [
        max((name for name in known if text.startswith(f"{name}=")), key=len, default=text.partition("=")[0])
        for text in texts
    ]
