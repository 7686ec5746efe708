"""What docs/security.md says was tried: counts of what these tests hold, and nothing got through."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests import test_apart, test_arguments, test_doors, test_fuzzed, test_submission
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| ([^|]+) \| ([\d,]+) \| ([\d,]+|-) \| (\d+) \|$", PAGE, re.MULTILINE)


def cases(test: Callable[..., Any]) -> int:
    """How many inputs a test is given by hand."""
    (mark,) = (mark for mark in test.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    return len(mark.args[1])


BY_HAND = {
    "bundle, tampered with by hand": cases(
        test_submission.test_what_was_tampered_with_is_refused_and_leaves_nothing
    ),
    "record that does not fit what is known of its dataset and metrics": cases(
        test_doors.test_a_record_that_does_not_fit_what_is_known_is_refused
    ),
    "name of a submission that means something here": cases(
        test_doors.test_no_submission_is_called_as_something_here_or_looks_so
    ),
    "names of tables on a card": cases(test_doors.test_no_card_opens_a_pickle_that_no_package_brought)
    + cases(test_doors.test_no_card_calls_another_loader),
    "address of a database of a wrong kind": cases(test_fuzzed.test_addresses_of_a_wrong_kind),
    "method that harms its process": len(test_apart.HOSTILE) + len(test_apart.SLOW),
}


def test_the_table_is_read_whole() -> None:
    assert len(LINES) == sum(re.match(r"\| .+ \|$", line) is not None for line in _section()) - 1  # its head


def _section() -> list[str]:
    return PAGE.split("## What was tried")[1].split("## How to report")[0].splitlines()


@pytest.mark.parametrize(("door", "inputs", "refused", "through"), LINES, ids=[line[0] for line in LINES])
def test_nothing_got_through(door: str, inputs: str, refused: str, through: str) -> None:
    tried = int(inputs.replace(",", ""))
    assert through == "0"
    assert refused == "-" or int(refused.replace(",", "")) <= tried
    assert BY_HAND.get(door, tried) == tried


def test_every_door_with_cases_by_hand_is_on_the_page() -> None:
    assert set(BY_HAND) <= {line[0] for line in LINES}


def test_command_lines_are_as_many_as_the_page_says() -> None:
    every = sum(1 for path in test_arguments.COMMANDS for _ in test_arguments.lines(path, None))
    said = re.search(r"more than ([\d,]+) command lines", PAGE)
    assert said is not None
    assert every > int(said[1].replace(",", ""))


def test_every_file_that_the_page_names_is_there() -> None:
    for name in re.findall(r"`(tests/[\w.]+)`", PAGE):
        assert (ROOT / name).exists(), name
