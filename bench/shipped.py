"""Files that come with the package: cards of data sets, what papers published, what was tuned."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(*parts: str) -> Path:
    """The place of a file or folder that the repository has at its top: inside an installed package, or in a checkout.

    `shipped("datasets")`, `shipped("results", "reference", "published_results.csv")`.
    """
    inside = _PACKAGE / "files"  # a wheel's; see pyproject.toml
    return (inside if inside.is_dir() else _PACKAGE.parent).joinpath(*parts)
