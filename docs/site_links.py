"""A hook of mkdocs: links to pages of Markdown in the HTML files that the site takes as they are.

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

        def built(link: re.Match[str], page: File = page) -> str:
            return _built(link[0], page, files)

        page.content_string = LINK.sub(built, page.content_string)
    return env


def _built(link: str, page: File, files: Files) -> str:
    """The address in the site of what `link` means beside `page`; `link` itself where there is no such page."""
    found = files.get_file_from_path(normpath(join(dirname(page.src_uri), link)))
    return link if found is None else found.url_relative_to(page)
