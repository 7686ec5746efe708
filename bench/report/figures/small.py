"""Small pictures as SVG in the text of a page: one column in real and drawn rows, one score between its floors.

Colours are classes of the page's style, so that they follow a dark screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tabstep.report.figures.look import shortened
from tabstep.report.numbers.portrait import Column, Level

WIDE, HIGH = 240, 96
LINE = 16  # of one label
NAMES = 112  # width that labels take
TRACK = 150
LEAST = 10  # margins that a track is long at least


def column(of: Column) -> str:
    """Grey is real; the line, or the dot of a label, is drawn."""
    numbers = [i for i, width in enumerate(of.width) if width is not None]
    return _histogram(of, numbers) if numbers else _bars(of)


def _svg(width: float, height: float, inside: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(inside)}</svg>'
    )


def _histogram(of: Column, numbers: Sequence[int]) -> str:
    top = max(max(of.real[i], of.drawn[i]) for i in numbers) or 1.0
    start = float(of.at[numbers[0]])
    whole = sum(of.width[i] or 0.0 for i in numbers)
    parts, line = [], []
    for i in numbers:
        x = (float(of.at[i]) - start) / whole * WIDE
        w = (of.width[i] or 0.0) / whole * WIDE
        tall = of.real[i] / top * (HIGH - 4)
        parts.append(
            f'<rect class="real" x="{x:.1f}" y="{HIGH - tall:.1f}" width="{w:.1f}" height="{tall:.1f}"/>'
        )
        y = HIGH - of.drawn[i] / top * (HIGH - 4)
        line.append(f"{x:.1f},{y:.1f} {x + w:.1f},{y:.1f}")
    parts.append(f'<polyline class="drawn" points="{" ".join(line)}"/>')
    parts.append(f'<line class="axis" x1="0" y1="{HIGH}" x2="{WIDE}" y2="{HIGH}"/>')
    low, high = of.ends
    parts.append(f'<text x="0" y="{HIGH + 13}">{escape(shortened(low, 18))}</text>')
    parts.append(f'<text x="{WIDE}" y="{HIGH + 13}" text-anchor="end">{escape(shortened(high, 18))}</text>')
    return _svg(WIDE, HIGH + 18, parts, f"{of.name}: shares of real and drawn rows")


def _bars(of: Column) -> str:
    top = max(*of.real, *of.drawn) or 1.0
    room = WIDE - NAMES - 6
    parts = []
    for i, label in enumerate(of.at):
        y = i * LINE
        parts.append(
            f'<text x="{NAMES - 6}" y="{y + 12}" text-anchor="end">{escape(shortened(str(label), 16))}</text>'
        )
        parts.append(
            f'<rect class="real" x="{NAMES}" y="{y + 3}" width="{of.real[i] / top * room:.1f}" height="{LINE - 6}"/>'
        )
        parts.append(
            f'<circle class="dot" cx="{NAMES + of.drawn[i] / top * room:.1f}" cy="{y + LINE / 2}" r="3.5"/>'
        )
    return _svg(WIDE, LINE * len(of.at) + 2, parts, f"{of.name}: shares of real and drawn rows")


def track(level: Level) -> str:
    """A score on a line from the worst to the best of its three values: a dot drawn, a bar real, a ring independent."""
    known = [v for v in (level.value, level.real, level.floor) if v is not None]
    if level.value is None or len(known) < 2:
        return ""
    low, high = min(known), max(known)
    room = max(0.0, LEAST * level.margin - (high - low)) / 2  # what lies within the margin is not drawn apart
    low, high = low - room, high + room

    def x(value: float) -> float:
        part = (value - low) / (high - low)
        return 8 + (1 - part if level.lower else part) * (TRACK - 16)

    parts = [f'<line class="axis" x1="2" y1="9" x2="{TRACK - 2}" y2="9"/>']
    if level.floor is not None:
        parts.append(f'<circle class="ring" cx="{x(level.floor):.1f}" cy="9" r="4"/>')
    if level.real is not None:
        parts.append(f'<rect class="mark" x="{x(level.real) - 1.5:.1f}" y="1" width="3" height="16"/>')
    parts.append(f'<circle class="dot" cx="{x(level.value):.1f}" cy="9" r="4"/>')
    return _svg(TRACK, 18, parts, f"{level.title}: better to the right")
