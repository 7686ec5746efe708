"""A hook of mkdocs: links to pages of Markdown in what the site takes as HTML, files as they are and notebooks.

The leaderboard lies beside README.md, in the repository and in the site; there README.md is index.html.
"""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath
from typing import Any

from mkdocs.structure.files import File, Files

LINK = re.compile(r'(?<=<a href=")[^"#:]+\.md(?=[#"])')


def on_env(env: Any, *, config: Any, files: Files) -> Any:
    """Before files are copied: put the page that a file of Markdown becomes into links. No source is written."""
    for page in files.static_pages():
        page.content_string = built(page.content_string, page, files)
    return env


def on_page_content(html: str, *, page: Any, config: Any, files: Files) -> str:
    """The same in the text of a notebook; in that of Markdown there is none left."""
    return built(html, page.file, files) if page.file.src_uri.endswith(".ipynb") else html


def built(html: str, page: File, files: Files) -> str:
    """The text of a page with links to the built pages; those to no page stay as they are."""

    def of(link: re.Match[str]) -> str:
        found = files.get_file_from_path(normpath(join(dirname(page.src_uri), link[0])))
        return link[0] if found is None else found.url_relative_to(page)

    return LINK.sub(of, html)
