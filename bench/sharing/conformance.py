"""The contract of a method, tried on two small tables: what holds, and for what does not, what to change."""

from __future__ import annotations

import json
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Literal, cast, get_args

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

from tabstep import external
from tabstep.contracts import Unsupported
from tabstep.data import plain, validity
from tabstep.data.table import Schema
from tabstep.diffusion.model import Diffusion
from tabstep.named import about
from tabstep.records.clock import timed
from tabstep.registry import METHODS, SAMPLERS
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Setting
from tabstep.sandbox.process import begun

START_S = 60.0  # at least, of a process, before the first point
POLL_S = 0.1
OVER = "over"  # no point is called so
MOST_LINE = 2**20
MOST_SHOWN = 2000
ROWS = 200
STEPS = 3
State = Literal["ok", "warning", "wrong", "not tried"]
Watch = Callable[[str], None]
"""Called with each point before it is tried."""


@dataclass(frozen=True)
class Finding:
    """One point of the contract: whether it holds, and what was seen."""

    point: str
    state: State
    said: str = ""


class Broken(Exception):
    """A point that does not hold; the message says what to change."""


class Doubtful(Exception):
    """A point that may be meant so; the message says what was seen."""


def tables() -> dict[str, tuple[pd.DataFrame, Schema]]:
    """Complete training rows with their schemas: a mixed table with two classes, numbers alone with a regression."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    color = rng.choice(["red", "green", "blue"], ROWS)
    mixed = pd.DataFrame(
        {
            "x": x,
            "count": rng.integers(0, 40, ROWS),
            "color": color.astype(object),
            "label": np.where(x + (color == "red") > 0.3, "yes", "no").astype(object),
        }
    )
    numbers = pd.DataFrame(
        {"a": x, "b": x**2 + rng.normal(size=ROWS), "target": 2 * x + rng.normal(size=ROWS)}
    )
    return {
        "mixed, two classes": (
            mixed,
            Schema("binclass", "label", ("x", "count"), ("color",), frozenset({"count"})),
        ),
        "numbers, regression": (numbers, Schema("regression", "target", ("a", "b"), ())),
    }


def title(method: str) -> str:
    """The class of a known method or of one from outside, by name. Raises `external.NotLoaded`."""
    return METHODS[method].__name__ if method in METHODS else external.find(method).name


def apart(method: str, limit_s: float, watch: Watch) -> Iterator[Finding]:
    """`check` in a process of its own: a method that crashes it or takes longer for a point is told as any other."""
    point, limit = "a process to try it in starts", max(limit_s, START_S)
    with TemporaryDirectory() as folder:
        said = Path(folder, "said.jsonl")
        said.touch()
        code = "from tabstep.sharing.conformance import inside; inside(*sys.argv[1:])"
        with begun(code, method, str(said)) as running, said.open("rb") as lines:
            since = time.monotonic()
            while time.monotonic() - since < limit:
                over = running.over(POLL_S)
                for heard in _heard(lines):
                    since = time.monotonic()
                    if isinstance(heard, Finding):
                        yield heard
                    elif heard == OVER:
                        return
                    else:
                        point, limit = heard, limit_s
                        watch(point)
                if over:
                    yield Finding(point, "wrong", f"the process {running.end()}; nothing after it was tried")
                    return
            yield Finding(
                point, "wrong", f"took longer than the limit of {limit:g} s; nothing after it was tried"
            )


def _heard(lines: IO[bytes]) -> Iterator[str | Finding]:
    """The whole lines that are new: points that are tried now, and findings. A stranger may have written others."""
    while (line := lines.readline(MOST_LINE)).endswith(b"\n"):
        try:
            match plain.parse(line):
                case {"point": str(point), "state": str(state), "said": str(said)} if state in get_args(
                    State
                ):
                    shown = plain.cleaned(said, MOST_SHOWN)
                    yield Finding(plain.cleaned(point, MOST_SHOWN), cast("State", state), shown)
                case str(point):
                    yield plain.cleaned(point, MOST_SHOWN)
        except plain.NotPlain:
            continue
    lines.seek(-len(line), 1)


def inside(method: str, said: str) -> None:
    """In the process of the method: try it, and write a line for each point that is tried and each finding."""
    kind = METHODS[method] if method in METHODS else external.find(method).load()
    with open(said, "a", encoding="utf-8") as file:

        def tell(what: Any) -> None:
            file.write(json.dumps(what) + "\n")
            file.flush()

        for finding in check(kind, tell):
            tell(asdict(finding))
        tell(OVER)


def check(kind: type[Any], watch: Watch = lambda point: None) -> Iterator[Finding]:
    """Try the points of the contract one after the other; what a broken one leaves untried is said."""
    yield _tried("a line that says what it is", lambda: _about(kind), watch)
    yield _tried("settings can be sent to a worker", lambda: _pickled(kind), watch)
    for title, (train, schema) in tables().items():
        yield from _on_table(kind, title, train, schema, watch)


def _on_table(
    kind: type[Any], title: str, train: pd.DataFrame, schema: Schema, watch: Watch
) -> Iterator[Finding]:
    given, made = train.copy(), {}

    def fit() -> str:
        with timed("cpu") as span:
            try:
                made["model"] = kind().fit(given, schema, seed=0, device="cpu")
            except Unsupported as reason:
                raise Doubtful(f"Unsupported on this table, a skipped cell: {reason}") from None
        return f"{span.seconds:.2f} s for {ROWS} rows"

    fitted = _tried(f"{title}: fits", fit, watch)
    yield fitted
    rest = [
        ("leaves the training rows as they are", lambda: _untouched(given, train)),
        ("draws rows of the table", lambda: _rows(made["model"], train, schema)),
        ("the same seed draws the same rows", lambda: _repeats(made["model"], schema)),
        ("another fit with the seed draws them too", lambda: _refits(kind, made["model"], train, schema)),
        ("another seed draws others", lambda: _differs(made["model"])),
    ]
    if isinstance(made.get("model"), Diffusion):
        rest.append(("counts one evaluation a step", lambda: _counts(made["model"])))
    usable = True
    for point, function in rest:
        finding = (
            _tried(f"{title}: {point}", function, watch)
            if fitted.state == "ok" and usable
            else Finding(f"{title}: {point}", "not tried")
        )
        usable = usable and not (point.startswith("draws rows") and finding.state == "wrong")
        yield finding


def _tried(point: str, function: Callable[[], str], watch: Watch) -> Finding:
    watch(point)
    try:
        return Finding(point, "ok", function())
    except Doubtful as error:
        return Finding(point, "warning", str(error))
    except Broken as error:
        return Finding(point, "wrong", str(error))
    except Exception as error:  # noqa: BLE001  whatever the code of a stranger raises is what is shown
        *_, frame = traceback.extract_tb(error.__traceback__)
        where = f" ({frame.filename.rsplit('/', 1)[-1]}, line {frame.lineno})"
        return Finding(point, "wrong", f"{type(error).__name__}: {error}{where}")


def _about(kind: type[Any]) -> str:
    said = about(kind)
    if not said or said.startswith(f"{kind.__name__}("):
        raise Doubtful("no docstring; its first line is what tables and lists say of the method")
    return said


def _pickled(kind: type[Any]) -> str:
    method = kind()
    if pickle.loads(pickle.dumps(method)) != method:
        raise Broken("the settings come back as others from pickle; use plain values as fields")
    return ""


def _draw(model: Any, n: int, seed: int) -> pd.DataFrame:
    if isinstance(model, Diffusion):
        return model.generate(_prepared(model), n, seed=seed).rows
    sample = getattr(model, "sample", None)
    if not callable(sample):
        raise Broken("fit must return an object with sample(n, *, seed)")
    rows: pd.DataFrame = sample(n, seed=seed)
    return rows


def _prepared(model: Diffusion) -> Any:
    setting = Setting(model.process).seen_by(SAMPLERS["ddim"])
    return SAMPLERS["ddim"].prepare(setting, trailing(setting, STEPS))


def _untouched(given: pd.DataFrame, train: pd.DataFrame) -> str:
    try:
        assert_frame_equal(given, train)
    except AssertionError as error:
        raise Broken("fit changed the training rows; work on train.copy()") from error
    return ""


def _rows(model: Any, train: pd.DataFrame, schema: Schema) -> str:
    with timed("cpu") as span:
        rows = _draw(model, 77, 1)
    try:
        validity.check(rows, train, schema, 77)
    except validity.Invalid as error:
        raise Broken(str(error)) from error
    return f"{span.seconds:.2f} s for 77 rows"


def _repeats(model: Any, schema: Schema) -> str:
    if not _same(_draw(model, 50, 5), _draw(model, 50, 5)):
        raise Broken("two draws with seed=5 differ; draw from a generator made of the seed, not a global one")
    return ""


def _refits(kind: type[Any], model: Any, train: pd.DataFrame, schema: Schema) -> str:
    again = kind().fit(train.copy(), schema, seed=0, device="cpu")
    if not _same(_draw(model, 50, 5), _draw(again, 50, 5)):
        raise Broken(
            "a second fit with seed=0 draws other rows; make all randomness of the fit depend on its seed"
        )
    return ""


def _differs(model: Any) -> str:
    if _same(_draw(model, 50, 5), _draw(model, 50, 6)):
        raise Doubtful("seeds 5 and 6 draw the same rows, so that seeds say nothing about the scatter")
    return ""


def _counts(model: Diffusion) -> str:
    nfe = model.generate(_prepared(model), 40, seed=0).nfe
    if nfe != STEPS:
        raise Broken(f"ddim with {STEPS} steps called the network {nfe:g} times a row")
    return f"{nfe:g} for {STEPS} steps"


def _same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    return a.reset_index(drop=True).equals(b.reset_index(drop=True))
