"""However an answer is written, showing it costs little: counted in the parser's steps, not in seconds."""

from __future__ import annotations

import pytest

from aiops.web import markdown
from aiops.web.highlighting import Clock
from aiops.web.markdown import ANSWER_STEPS, PAGE_STEPS, Cache, Page, Steps, TooCostly, parse, render

COSTLY = {
    "list": "1. a\n" * 15_000,
    "references": "".join(f"[a{n}]: b\n" for n in range(20_000)),
    "lines": "a\n" * 30_000,
    "images": "![" * 20_000,
    "brackets": "[" * 25_000 + "]" * 25_000,
    "strikethrough": "~~a" * 15_000,
    "emphasis": "*a" * 30_000,
    "wide table": "|a" * 500 + "\n" + "|-" * 500 + "\n" + "|\n" * 1_000,
    "long table": "|a" * 50 + "\n" + "|-" * 50 + "\n" + "|\n" * 5_000,
    "tables": "a|b\n-|-\n\n" * 12_000,
    "labels": "[a\n" * 20_000,
    "links": "[a](" * 20_000,
}


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "_answers", Cache(max_bytes=1_000_000))
    monkeypatch.setattr(markdown, "_growing", Cache(max_bytes=1_000_000))


@pytest.mark.parametrize("name", COSTLY)
def test_an_answer_that_would_cost_too_much_is_shown_as_it_was_written(name: str) -> None:
    text = COSTLY[name]
    html = render(text)
    assert html == f'<pre class="plain">{text}</pre>\n'
    assert len(html) < len(text) + 100


@pytest.mark.parametrize("name", COSTLY)
def test_parsing_stops_where_the_budget_ends(name: str) -> None:
    steps = Steps(1_000)
    with pytest.raises(TooCostly):
        parse(COSTLY[name], steps, Clock(0))
    assert steps.left < 0


def test_plain_text_is_escaped() -> None:
    assert render("<script>" + "![" * 20_000).startswith('<pre class="plain">&lt;script&gt;![')


def test_a_text_that_is_too_long_is_shown_whole_and_plain() -> None:
    text = "word " * 30_000
    assert render(text) == f'<pre class="plain">{text}</pre>\n'


def test_an_ordinary_long_answer_is_within_the_budget() -> None:
    part = "The disk is **nearly** full on `web-01`, see [it](https://x.example/).\n\n- a\n- b\n\n```sh\ndf -h\n```\n\n"
    assert render(part * 500).startswith("<p>The disk is <strong>nearly</strong>")
    rows = "| name | state | memory | since |\n|---|---|---|---|\n" + "| nginx | up | 20 MB | 10:00 |\n" * 1_000
    assert render(rows).count("<tr>") == 1_001


def test_a_page_renders_until_its_budget_ends_and_goes_on_where_it_stopped_the_next_time() -> None:
    answers = [f"{n} " + "~~a" * 4_000 for n in range(60)]

    def plain_ones() -> int:
        page = Page()
        return sum(page.render(answer).startswith("<pre") for answer in answers)

    first, second = plain_ones(), plain_ones()
    assert 0 < second < first < len(answers)
    assert first >= len(answers) - PAGE_STEPS // 8_000


def test_an_answer_over_its_budget_is_not_parsed_again() -> None:
    costly = COSTLY["images"]
    first, second = Page(), Page()
    first.render(costly)
    second.render(costly)
    assert first.steps.left == PAGE_STEPS - ANSWER_STEPS
    assert second.steps.left == PAGE_STEPS


def test_the_cache_holds_no_more_bytes_than_it_may_and_forgets_the_least_used() -> None:
    cache = Cache(max_bytes=1_000)
    for n in range(30):
        cache.put(f"{n}", "x" * 100)
        cache.get("0")
    assert cache.get("0") == "x" * 100
    assert cache.get("1") is None
    assert cache.bytes <= 1_000
    cache.put("large", "x" * 2_000)
    assert cache.get("large") is None
