"""Code from outside, in a file or package of the user's, found by name.

Methods, samplers and grids of a benchmark are loaded in processes of their own; what `own` loads runs in this one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, is_dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from tabstep.sandbox.process import attempt
from tabstep.sandbox.sources import digest_of, files_of, libraries

GROUP = "tabstep.methods"  # of entry points: `name = "package.module:Class"` in a package's metadata
FORM = "path/to/mine.py:MyMethod or package.module:MyMethod"
FROM_FILE = "tabstep_external_"  # begins the name of a module that is a file
LOOK_S = 300.0  # for the import of a method and its libraries

Does = Literal["fit", "prepare", "grid"]
"""What tells a method by its class, a sampler by its class, and a grid, which is a function."""

SIGNATURES = {"fit": "fit(self, train, schema, *, seed, device)", "prepare": "prepare(self, setting, path)"}


class NotLoaded(ValueError):
    """A method from outside that cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Code:
    """Where a method, sampler or grid from outside comes from.

    place   absolute path of a file, or a module's name
    name    of the class, or of the function that a grid is
    digest  SHA-256 of the file that defines it and of what that imports from beside it: with another one the method
            is another one
    defaults  its settings, as JSON
    last      the last step of a diffusion, which is crossed with samplers; None for another method
    libraries  distributions that it imports; their versions are in the environment of its records
    does    which of the three it is
    grid    of a sampler: the name of the grid that it walks where none is asked for
    """

    place: str
    name: str
    digest: str
    defaults: str = "{}"
    last: int | None = None
    libraries: tuple[str, ...] = ()
    does: Does = "fit"
    grid: str | None = None

    @property
    def foreign(self) -> bool:
        """Whether others wrote it: then it is loaded in a process of its own alone."""
        return self.place.split(".")[0] != "tabstep"

    @property
    def settings(self) -> dict[str, Any]:
        """The defaults of all fields."""
        found: dict[str, Any] = json.loads(self.defaults)
        return found

    def load(self) -> Any:
        """The class or function, in this process. Raises `NotLoaded`, also where its files have changed since."""
        return _load(self)

    @property
    def shown(self) -> str:
        """For people: without the folders of a path."""
        return f"{Path(self.place).name}:{self.name}"

    @property
    def recorded(self) -> dict[str, str]:
        """For records: which file it was, and which version of it."""
        return {"file": self.shown, "sha256": self.digest}


def installed() -> dict[str, EntryPoint]:
    """Methods that installed packages offer, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def find(text: str, does: Does = "fit") -> Code:
    """What a text such as `FORM`, or for a method the name of an entry point, means. Raises `NotLoaded`.

    A file with one class that has `fit`, or `prepare`, needs no name of a class. It is looked at in a process of its
    own.
    """
    entry = installed().get(text) if does == "fit" else None
    place, _, name = (entry.value if entry is not None else text).partition(":")
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise NotLoaded(f"no file {place}; what is your own is given as {FORM}")
        place = str(Path(place).resolve())
    elif not name:
        raise NotLoaded(f"{text!r} names no class; what is your own is given as {FORM}")
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder, "said.json")
        code = "import sys; from tabstep.external import look; look(*sys.argv[1:])"
        try:
            ending: Any = attempt(code, place, name, does, str(said), limit_s=LOOK_S)
        except TimeoutError as error:
            ending = error
        try:
            found = json.loads(said.read_text(encoding="utf-8"))
            if "fault" in found:
                raise NotLoaded(str(found["fault"]))
            facts = {field: found[field] for field in ("place", "name", "digest", "defaults", "last", "grid")}
            return Code(**facts, libraries=tuple(map(str, found["libraries"])), does=does)
        except (OSError, KeyError, TypeError) as error:
            raise NotLoaded(f"{place} cannot be imported: the process that did it {ending}") from error


def own(text: str, does: str = "") -> Any:
    """What a text such as `mine.py:Euler` means, loaded in this process: code that you name, which runs as you.

    A file with one class that has the method `does` needs no name. Raises `NotLoaded`.
    """
    place, _, name = text.partition(":")
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise NotLoaded(f"no file {place}; what is your own is given as path/to/mine.py:Name")
        place = str(Path(place).resolve())
    module = _module(place)
    name = name or _only(module, place, does)
    if not hasattr(module, name):
        from tabstep.data.cards import suggest

        raise NotLoaded(f"{place} has no {name!r}; {suggest(name, [n for n in vars(module) if n[0] != '_'])}")
    return getattr(module, name)


def look(place: str, name: str, does: Does, said: str) -> None:
    """In a process of its own: write what `find` wants to know of it, or what is wrong with it, to `said`."""
    try:
        found: dict[str, Any] = _looked(place, name, does)
    except NotLoaded as error:
        found = {"fault": str(error).encode(errors="backslashreplace").decode()}
    Path(said).write_text(json.dumps(found), encoding="utf-8")


def _looked(place: str, name: str, does: Does) -> dict[str, Any]:
    module = _module(place)
    if inspect.getsourcefile(module) is None:
        raise NotLoaded(f"{place} has no source file, so that its version cannot be recorded")
    name = name or _only(module, place, does)
    code = Code(place, name, _digest(module), does=does)
    found = _load(code)
    item = None if does == "grid" else found()
    try:
        defaults = "{}" if item is None else json.dumps(asdict(item), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise NotLoaded(f"{code.shown}: settings must be plain values, as JSON has them ({error})") from error
    grid = getattr(item, "grid", None)
    return {
        "place": place,
        "name": name,
        "digest": code.digest,
        "defaults": defaults,
        "last": getattr(item, "last", None),
        "grid": grid if isinstance(grid, str) else None,
        "libraries": libraries(*_sources(module)),
    }


def _only(module: Any, place: str, does: str) -> str:
    found: list[str] = [
        name
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and kind.__module__ == module.__name__
        and callable(getattr(kind, does, None))
    ]
    if len(found) != 1:
        several = ", ".join(found) or "none"
        raise NotLoaded(f"{place} has not one class with a {does} method but {several}; name it as in {FORM}")
    return found[0]


@lru_cache
def _load(code: Code) -> Any:
    module = _module(code.place)
    found = getattr(module, code.name, None)
    if code.does != "grid":
        _check_class(code, found)
    elif not inspect.isfunction(found):
        raise NotLoaded(f"{code.place} has no function {code.name!r} of a setting and K, as a grid is")
    if code.foreign and code.digest != _digest(module):
        raise NotLoaded(f"{code.shown}, or a file beside it, has changed since the run began; start it again")
    return found


def _check_class(code: Code, kind: Any) -> None:
    """Raise `NotLoaded` for what is no class of settings with what it does and a default for each."""
    if not inspect.isclass(kind):
        raise NotLoaded(f"{code.place} has no class {code.name!r}")
    if not (is_dataclass(kind) and kind.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise NotLoaded(
            f"{code.shown}: put @dataclass(frozen=True) above the class; its fields are its settings"
        )
    if not callable(getattr(kind, code.does, None)):
        raise NotLoaded(f"{code.shown} has no method {SIGNATURES[code.does]}")
    try:
        kind()
    except Exception as error:
        raise NotLoaded(f"{code.shown}() fails: every field needs a default ({error})") from error


def _module(place: str) -> Any:
    """Import a module, or a file, which may import what lies beside it."""
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        folder = str(Path(place).parent)
        if folder not in sys.path:
            sys.path.append(folder)  # last: a file beside it hides no library
        name = f"{FROM_FILE}{hashlib.sha256(Path(place).read_bytes()).hexdigest()[:16]}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before it runs: dataclasses look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    except Exception as error:
        raise NotLoaded(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _digest(module: Any) -> str:
    return digest_of(*_sources(module))


def _sources(module: Any) -> tuple[set[Path], Path]:
    """The files that a module consists of, and the folder that they lie below."""
    own, name = Path(module.__file__).resolve(), module.__spec__.name
    if name.startswith(FROM_FILE):
        return files_of(own, own.parent), own.parent
    depth = len(name.split(".")) - (own.name != "__init__.py")
    return files_of(own, own.parents[depth], name.split(".")[0]), own.parents[depth]
