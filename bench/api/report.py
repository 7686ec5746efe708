"""A report of a model for people, notebooks, machines and repositories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tabstep.api import asked
from tabstep.api.judging import Drawn, judge
from tabstep.data.artifact import replace
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
        """The report of a model by rows that it draws so. Raises ValueError for what is no table of it."""
        held = None if holdout is None else asked.frame("holdout", holdout)
        return cls(judge(model, asked.frame("real", real), held, draw, title))

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


def _written(path: str | Path, text: str) -> Path:
    replace(Path(path), text.encode())
    return Path(path)
