"""The report of one model: one HTML page with its pictures and style in it, which loads nothing and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tabstep.report.figures import small
from tabstep.report.numbers.portrait import Level, Portrait, Share, headline, watched

STYLE = Path(__file__).resolve().parent / "page" / "model.css"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

GRADES = {
    "as real": ("good", "like real"),
    "near": ("", "near"),
    "off": ("warn", "off"),
    "between": ("warn", "far"),
    "below the floor": ("bad", "worse than independent columns"),
}
FINDINGS = {
    "leak": ("bad", "leak"),
    "sign": ("warn", "sign"),
    "none": ("good", "as by chance"),
    "unknown": ("", "not measured"),
}


def page(of: Portrait) -> str:
    """The text of the page; nothing of a table's names or values is markup in it."""
    title = f"Report of {of.title}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(headline(of))}</p>",
        _privacy(of),
        _scores(of),
        _rules(of),
        _columns(of),
        _pairs(of),
        _fit(of),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def framed(text: str) -> str:
    """A page as a part of another, whose style it leaves alone: for a notebook."""
    return (
        f'<iframe srcdoc="{escape(text, quote=True)}" title="report of a model" '
        'style="width:100%;height:46rem;border:1px solid #d0d7de" sandbox></iframe>'
    )


def number(value: float | None) -> str:
    """Three decimals; an empty cell for none."""
    return "" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are markup already; columns after the first whose head ends in a space are text, others numbers."""
    kinds = ["" if i == 0 or h.endswith(" ") else ' class="n"' for i, h in enumerate(head)]
    heads = "".join(f"<th{kind}>{h.strip()}</th>" for h, kind in zip(head, kinds, strict=True))
    body = "".join(
        row[0]
        if len(row) == 1
        else "<tr>" + "".join(f"<td{k}>{c}</td>" for c, k in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _privacy(of: Portrait) -> str:
    verdict = of.privacy

    rows: list[Sequence[str]] = []
    for e in verdict.evidence:
        numbers = [number(v) for v in (e.value, e.expected, e.allowed)]
        rows.append((escape(e.title), _coloured(*FINDINGS[e.finding]), *numbers))
        rows.append((f'<tr class="under"><td colspan="5">{escape(e.note)}</td></tr>',))
    evidence = _table(("evidence", "finding ", "drawn rows", "fresh real rows", "chance reaches"), rows)
    return (
        "<h2>Does it leak?</h2>"
        f'<div class="verdict {verdict.finding}"><b>{escape(verdict.word)}.</b> {escape(verdict.sentence)}</div>'
        f"{evidence}" + (f'<p class="note">{escape(said)}</p>' if (said := watched(of)) else "")
    )


def _coloured(colour: str, word: str) -> str:
    return f'<span class="{colour}">{word}</span>'


def _scores(of: Portrait) -> str:
    rows: list[Sequence[str]] = []
    group = ""
    for level in of.scores:
        if level.group != group:
            group = level.group
            rows.append((f'<tr class="group"><td colspan="6">{escape(group)}</td></tr>',))
        rows.append(_score(level))
    track = '<span class="track">worse to better</span> '
    table = _table(("score", "verdict ", "drawn rows", "real rows", "independent columns", track), rows)
    return (
        "<h2>How good are the rows?</h2>"
        f"<p>{escape(of.measured)} Beside each score stands what real rows reach, as many of them, and what their "
        "columns reach when each is drawn on its own: right marginals, no dependence. ↑ more is better, ↓ less is.</p>"
        f"{table}"
        '<p class="note"><span class="track">Blue dot: drawn rows. Bar: real rows. Ring: independent columns. </span>'
        "“Like real” is within a fixed margin of real rows; “near” is at most a quarter of the way from them to "
        "independent columns, “far” is more; “off” is beyond the margin where independent columns are as good as real "
        "rows.</p>"
    )


def _score(level: Level) -> Sequence[str]:
    name = f"{escape(level.title)} <span class=note>{'↓' if level.lower else '↑'}</span>"
    if level.value is None:
        return (name, f'<span class="note">{escape(level.reason)}</span>', "", "", "", "")
    verdict = _coloured(*GRADES[level.grade]) if level.grade else ""
    numbers = (number(level.value), number(level.real), number(level.floor))
    return (name, verdict, *numbers, f'<span class="track">{small.track(level)}</span>')


def _rules(of: Portrait) -> str:
    def row(share: Share) -> Sequence[str]:
        return escape(share.title), f"{share.drawn:.2%}", f"{share.real:.2%}"

    faults = _table(("rows with", "drawn", "real"), map(row, of.faults))
    if of.rules:
        rules = "<p>These hold in every training row:</p>" + _table(
            ("rule", "drawn rows that keep it", "real"), map(row, of.rules)
        )
    else:
        rules = "<p>No rule between columns holds in every training row.</p>"
    return f"<h2>Faults and rules</h2>{faults}{rules}"


def _columns(of: Portrait) -> str:
    figures = "".join(
        f"<figure><figcaption>{escape(c.name)}<small>{escape(c.kind)}; {c.distance:.0%} of rows differ</small>"
        f"</figcaption>{small.column(c)}</figure>"
        for c in of.columns
    )
    return (
        "<h2>Columns</h2><p class=note>"
        "<span class='key real'></span>real<span class='key drawn'></span>drawn; "
        "those furthest apart come first. What lies beyond the ends is in the bins there.</p>"
        f'<div class="columns">{figures}</div>'
    )


def _pairs(of: Portrait) -> str:
    if not of.pairs:
        return ""
    rows = [(f"{escape(p.first)} and {escape(p.second)}", number(p.similarity)) for p in of.pairs]
    return (
        "<h2>Pairs of columns</h2><p>Whose dependence is met least; 1 is as in the real rows (Trend of the pair).</p>"
        + _table(("pair", "similarity"), rows)
    )


def _fit(of: Portrait) -> str:
    changed = "".join(f"<li>{escape(text)}</li>" for text in of.changed) or "<li>nothing</li>"
    return (
        f"<h2>What the fit changed or dropped</h2><ul>{changed}</ul>"
        f"<h2>How it was made</h2>{_list(of.fit)}"
        f"<h2>How the rows were drawn</h2>{_list({**of.draw, **of.rows})}"
        f"<h2>Versions</h2>{_list(of.environment)}"
        f'<p class="note">Made {escape(of.made)} in {of.report_s:.0f} seconds.</p>'
    )


def _list(values: Any) -> str:
    lines = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(shown(v))}</dd>" for k, v in values.items())
    return f"<dl>{lines}</dl>"


def shown(value: Any) -> str:
    """A setting in text."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {shown(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value)
