"""Tables for papers: each as Markdown, as LaTeX with booktabs, and its numbers as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tabstep.records import store
from tabstep.report.numbers.table import csv
from tabstep.report.pages.markdown import table_of


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table: `text` as it is read, `numbers` behind it, and `notes` that say how it was made.

    left  columns of text that hold words; the others are set to the right
    """

    name: str
    title: str
    notes: Sequence[str]
    text: pd.DataFrame
    numbers: pd.DataFrame
    left: Sequence[str]


def write(sheets: Sequence[Sheet], folder: Path, name: str, head: Sequence[str] = ()) -> list[Path]:
    """Write <name>.md with all sheets below `head`, <sheet>.tex and <sheet>.csv for each, and <name>.tex of all."""
    written = []
    for sheet in sheets:
        for suffix, content in (("tex", latex(sheet)), ("csv", csv(sheet.numbers))):
            path = folder / f"{sheet.name}.{suffix}"
            store.replace(path, content.encode())
            written.append(path)
    pages = {
        "md": "\n".join([*head, *(line for sheet in sheets for line in markdown(sheet))]),
        "tex": document(sheets),
    }
    for suffix, content in pages.items():
        store.replace(folder / f"{name}.{suffix}", content.encode())
        written.append(folder / f"{name}.{suffix}")
    return written


def markdown(sheet: Sheet) -> list[str]:
    """The sheet as lines of Markdown."""
    rows: list[dict[str, str]] = [
        {str(k): v for k, v in row.items()} for row in sheet.text.to_dict("records")
    ]
    right = [column for column in sheet.text.columns if column not in sheet.left]
    body = table_of(rows, right) if rows else ["(no rows)"]
    return [f"# {sheet.title}", "", *(f"- {note}" for note in sheet.notes), "", *body, ""]


def latex(sheet: Sheet) -> str:
    """The sheet as a `longtable`; the preamble must use the packages booktabs and longtable."""
    aligned = "".join("l" if column in sheet.left else "r" for column in sheet.text.columns)
    styler = sheet.text.style.hide(axis="index").format(escape="latex").format_index(axis=1, escape="latex")
    table: str = styler.to_latex(
        environment="longtable",
        hrules=True,
        column_format=aligned,
        caption=_escaped(sheet.title),
        label=f"tab:{sheet.name}",
    )
    notes = "\n".join(rf"\noindent\footnotesize {_escaped(note)}\par" for note in sheet.notes)
    return f"{{\\footnotesize\n{table}}}\n{notes}\n"


def document(sheets: Sequence[Sheet]) -> str:
    """A LaTeX document that inputs the sheets beside it."""
    inputs = "\n".join(rf"\input{{{sheet.name}.tex}}\clearpage" for sheet in sheets)
    return (
        "% Run LaTeX twice: longtable knows the widths of its columns from the run before.\n"
        "\\documentclass[9pt]{extarticle}\n"
        "\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\\usepackage[margin=15mm,landscape]{geometry}\n"
        "\\usepackage{booktabs,longtable}\n\\setlength{\\tabcolsep}{4pt}\n"
        f"\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )


def _escaped(text: str) -> str:
    frame = pd.DataFrame({"text": [text]})
    shown = frame.style.hide(axis="index").hide(axis="columns").format(escape="latex").to_latex()
    return str(shown.splitlines()[1].removesuffix(r"\\").strip())
