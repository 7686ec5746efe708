"""A report of a model for people, notebooks, machines and repositories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from tabstep.api import asked
from tabstep.api.judging import Drawn, judge
from tabstep.api.preparing import frame_of
from tabstep.data.columns import as_written
from tabstep.data.replacing import replace
from tabstep.report.numbers.leak import Verdict
from tabstep.report.numbers.portrait import Level, Portrait, headline
from tabstep.report.pages.model_card import card
from tabstep.report.pages.model_page import framed, page


@dataclass(frozen=True)
class Report:
    """What `Synthesizer.report` found. A notebook shows its page."""

    portrait: Portrait

    @classmethod
    def of(cls, model: Drawn, real: Any, holdout: Any, draw: Mapping[str, Any], title: str) -> Self:
        """The report of a model by rows that it draws so. Raises ValueError for what is no table of it, or no seed."""
        draw = {**draw, "seed": asked.seed(draw["seed"])}
        known, held = (_rows(what, table, model) for what, table in (("real", real), ("holdout", holdout)))
        assert known is not None
        return cls(judge(model, known, held, draw, title))

    @property
    def privacy(self) -> Verdict:
        """Whether drawn rows give training rows away, and by which evidence."""
        return self.portrait.privacy

    @property
    def scores(self) -> dict[str, Level]:
        """Scores by name, each beside those of real rows and of independent columns."""
        return {level.name: level for level in self.portrait.scores}

    def to_html(self, path: str | Path) -> Path:
        """Write the page, which loads nothing; return its path."""
        return _written(path, page(self.portrait))

    def to_json(self, path: str | Path) -> Path:
        """Write all numbers of the page; return the path."""
        return _written(path, json.dumps(self.portrait.to_json(), indent=1, allow_nan=False) + "\n")

    def to_card(self, path: str | Path) -> Path:
        """Write a model card in Markdown; return its path."""
        return _written(path, card(self.portrait))

    def __str__(self) -> str:
        return f"{headline(self.portrait)}\nDoes it leak? {self.privacy.word}. {self.privacy.sentence}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return framed(page(self.portrait))


def _rows(what: str, table: Any, model: Drawn) -> pd.DataFrame | None:
    """The rows of a frame or of a file, with gaps as the fit was told of them; None for no holdout."""
    if what == "holdout" and table is None:
        return None
    literal = model.origin.literal if isinstance(table, str | Path) else ()
    written = as_written(model.columns)
    return asked.frame(what, frame_of(table, literal, model.origin.missing, written))


def _written(path: str | Path, text: str) -> Path:
    replace(Path(path), text.encode())
    return Path(path)
