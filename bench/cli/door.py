"""The door of every command: its arguments are looked at once, and whatever goes wrong ends in a line and a status.

Status 2 is a request or a file that cannot be used; 70 an error of this program,
which `TABSTEP_TRACEBACK=1` shows whole.
"""

from __future__ import annotations

import math
import os
import re
import sys
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from tabstep.cli.options import errors

TRACEBACK = "TABSTEP_TRACEBACK"
REFUSED, UNEXPECTED = 2, 70
MOST = 10**9  # of any number that an option takes: seconds, GiB, trials

_EMPTY = re.compile(r"--[a-z][a-z-]*=")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class Command(TyperCommand):
    """A command behind the door."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, argument in enumerate(args):
            if argument == "" or _EMPTY.fullmatch(argument):
                after = argument or (args[place - 1] if place else self.name)
                raise typer.BadParameter(f"{after!a} is given an empty value; leave it out instead", ctx)
            if _NO_TEXT.search(argument):
                raise typer.BadParameter(f"{argument[:80]!a} holds a character that is no text", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # whatever a terminal cannot show is shown by its number
                stream.reconfigure(errors="backslashreplace")
        for parameter in self.params:
            _check_number(parameter, ctx.params.get(parameter.name or ""), ctx)
        if os.environ.get(TRACEBACK):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except OSError as error:
            names = [str(name) for name in (error.filename, error.filename2) if name is not None]
            _end(REFUSED, ": ".join([*names[:1], error.strerror or str(error)]))
        except MemoryError:
            _end(REFUSED, "this takes more memory than there is")
        except ValueError as error:  # whatever refuses an input is one
            _end(REFUSED, *getattr(error, "lines", (str(error),)))
        except Exception as error:  # noqa: BLE001  a user is told where to look, not shown the inside
            from tabstep.contracts import Unsupported
            from tabstep.data.sources import Unreachable

            if isinstance(error, Unreachable | Unsupported):
                _end(REFUSED, str(error))
            said = f"{type(error).__name__}: {error}"
            _end(UNEXPECTED, f"unexpected {said}; {TRACEBACK}=1 in the environment shows where it came from")


def _check_number(parameter: Any, value: Any, ctx: Any) -> None:
    numbers = value if isinstance(value, list | tuple) else [value]
    for number in numbers:
        wrong = isinstance(number, int | float) and not (math.isfinite(number) and abs(number) <= MOST)
        if wrong and not isinstance(number, bool):
            raise typer.BadParameter(f"must be a number up to {MOST}", ctx, parameter)


def _end(status: int, *lines: str) -> None:
    said = "\n".join(" ".join(line.split())[:2000] for line in lines) or "stopped without a reason"
    errors.print(f"[bold red]error:[/] {escape(said)}", highlight=False, soft_wrap=True)
    raise typer.Exit(status)


def behind_door(app: typer.Typer) -> typer.Typer:
    """The same app, each of its commands and of its groups' behind the door."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            behind_door(group.typer_instance)
    return app
