"""The site as it is built: no link of a page leads nowhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[1]
# As `make docs` has them.
PARTS = ("docs", "results", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE")


class Page(HTMLParser):
    """Where a page leads, and the places in it that others can lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        self.links += [found[name] for name in ("href", "src") if name in found]


def dead(site: Path) -> list[str]:
    """Links of the pages below `site` to files or places that are not there; those to elsewhere are not followed."""
    shown = (path for path in site.rglob("*.html") if path.name != "404.html")  # that one has any address
    pages = {path: Page(path) for path in shown}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            lost = parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].places
            if lost or not to.is_file():
                found.append(f"{path.relative_to(site)}: {link}")
    return found


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    site = tmp_path.resolve()
    (site / "a.html").write_text(
        '<h1 id="top"></h1><a href="#top"></a><a href="b.md"></a><a href="a.html#no"></a>'
    )
    assert dead(site) == ["a.html: b.md", "a.html: a.html#no"]


def test_no_link_of_the_built_site_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("material", reason="the site needs `pip install tabstep[docs]`")
    pytest.importorskip("mkdocstrings", reason="the site needs `pip install tabstep[docs]`")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    pages, site = tmp_path / "pages", tmp_path.resolve() / "site"
    pages.mkdir()
    for part in PARTS:
        (pages / part).symlink_to(ROOT / part)
    build(load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(site), strict=True))
    assert (site / "results" / "leaderboard.html").is_file()
    assert dead(site) == []
