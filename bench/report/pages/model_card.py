"""A model card: what a model is, what its rows are good for, and what not, as Markdown for a repository."""

from __future__ import annotations

from tabstep.report.numbers.portrait import Portrait, headline, watched
from tabstep.report.pages.markdown import table_of
from tabstep.report.pages.model_page import GRADES, number, shown


def card(of: Portrait) -> str:
    """The text of the card."""
    lines = [
        f"# Model card: {_plain(of.title)}",
        "",
        f"A model that draws rows of a table with {len(of.columns)} columns that vary, fitted by tabstep on "
        f"{of.rows['training rows']:,} rows. {_plain(headline(of))}",
        "",
        "## Does it leak?",
        "",
        f"**{of.privacy.word}.** {of.privacy.sentence}",
        "",
        *table_of(
            [
                {
                    "evidence": _plain(e.title),
                    "drawn rows": number(e.value),
                    "fresh real rows": number(e.expected),
                    "chance reaches": number(e.allowed),
                    "finding": e.finding,
                }
                for e in of.privacy.evidence
            ],
            right=("drawn rows", "fresh real rows", "chance reaches"),
        ),
        *(("", said) if (said := watched(of)) else ()),
        "",
        "## How good are the rows?",
        "",
        of.measured,
        "",
        *table_of(
            [
                {
                    "score": f"{level.title} ({'lower' if level.lower else 'higher'} is better)",
                    "drawn": number(level.value),
                    "real rows": number(level.real),
                    "independent columns": number(level.floor),
                    "verdict": GRADES[level.grade][1] if level.grade else level.reason,
                }
                for level in of.scores
            ],
            right=("drawn", "real rows", "independent columns"),
        ),
        "",
    ]
    if of.rules:
        lines += ["## Rules that hold in every training row", ""]
        lines += table_of(
            [{"rule": _plain(r.title), "drawn rows that keep it": f"{r.drawn:.2%}"} for r in of.rules],
            right=("drawn rows that keep it",),
        )
        lines += [""]
    lines += ["## What the fit changed or dropped", ""]
    lines += [f"- {_plain(text)}" for text in of.changed] or ["- nothing"]
    for title, values in (
        ("How it was made", of.fit),
        ("How the rows were drawn", {**of.draw, **of.rows}),
        ("Versions", of.environment),
    ):
        lines += [
            "",
            f"## {title}",
            "",
            *(f"- {key}: {_plain(shown(value))}" for key, value in values.items()),
        ]
    return "\n".join([*lines, "", f"Made {of.made}.", ""])


def _plain(text: str) -> str:
    """A text of a table without what Markdown or HTML would read in it."""
    for mark in "\\`*_<>[]#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
