"""Every relative link of the documentation leads to a file that exists, and to a heading in it where it names one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATIONS = ROOT / "docs/operations"
markdown = MarkdownIt("commonmark").enable("table")


@cache
def tokens(page: Path) -> list[Token]:
    return markdown.parse(page.read_text())


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links and images that are no addresses of other sites."""
    for token in tokens(page):
        for child in token.children or ():
            target = str(child.attrs.get("href") or child.attrs.get("src") or "")
            if target and not urlsplit(target).scheme:
                yield unquote(target)


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    made = tokens(page)
    for opening, inline in pairwise(made):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken(page: Path) -> list[str]:
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or not target.is_relative_to(ROOT):
            wrong.append(f"{link}: there is no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{link}: there is no such heading")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_to_nothing_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.contract.test_links.ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# What `aiops up` does, in short\n\n## Twice\n\n## Twice\n")
    page = tmp_path / "page.md"
    good = ("other.md", "other.md#what-aiops-up-does-in-short", "other.md#twice-1", "#here", "https://example.org/x")
    bad = ("none.md", "other.md#none", "other.md#twice-2", "#there", "../outside.md")
    page.write_text("# Here\n\n" + "\n".join(f"[x]({link})" for link in (*good, *bad)) + "\n\n    [code](none)\n")
    assert [problem.partition(": ")[0] for problem in broken(page)] == list(bad)


def test_the_index_of_operations_names_every_page_of_the_folder_once() -> None:
    listed = [link for link in links(OPERATIONS / "README.md") if "/" not in link]
    assert sorted(listed) == sorted(page.name for page in OPERATIONS.glob("*.md") if page.name != "README.md")
    assert "docs/operations/README.md" in set(links(ROOT / "README.md"))
