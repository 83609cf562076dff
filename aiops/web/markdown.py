"""Renders Markdown as safe HTML: no raw HTML, no images, links without referrer, bounded CPU time."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml, unescapeAll
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from aiops.web.highlighting import Clock, highlight

TAGS = {
    "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "a", "span",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, **{tag: {"class"} for tag in ("code", "span", "td", "th")}}
MAX_CHARACTERS = 100_000
"""Longer texts are not parsed."""
BEGINNING = 600
"""Characters of an answer that a list shows."""
ANSWER_STEPS = 15_000
"""Parser steps for one answer: 3 to 15 µs each; usual prose takes one per 5 characters."""
PAGE_STEPS = 100_000
"""Parser steps for all uncached answers of one page."""
COLOURS_S = 0.06
"""Seconds of CPU time for the colours of one answer's code."""
PAGE_COLOURS_S = 0.3
ANSWERS_BYTES = 16_000_000
GROWING_BYTES = 2_000_000
"""Growing answers have their own cache: each is many texts that are useful only briefly."""


class TooCostly(Exception):
    """Parsing takes more steps than allowed."""


class Steps:
    """A budget of parser steps."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, count: int = 1) -> None:
        """Use up steps; raises TooCostly."""
        self.left -= count
        if self.left < 0:
            raise TooCostly


class Cache:
    """A thread-safe LRU cache of rendered HTML."""

    def __init__(self, *, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._html: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> str | None:
        key = _digest(text)
        with self._lock:
            if key in self._html:
                self._html.move_to_end(key)
            return self._html.get(key)

    def put(self, text: str, html: str) -> None:
        key = _digest(text)
        with self._lock:
            self.bytes += len(html) - len(self._html.pop(key, ""))
            self._html[key] = html
            while self.bytes > self._max_bytes:
                _, oldest = self._html.popitem(last=False)
                self.bytes -= len(oldest)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


_answers = Cache(max_bytes=ANSWERS_BYTES)
_growing = Cache(max_bytes=GROWING_BYTES)


class Page:
    """Renders the answers of one page; those beyond its budget are shown as plain text."""

    def __init__(self) -> None:
        self.steps = Steps(PAGE_STEPS)
        self.colours = Clock(PAGE_COLOURS_S)

    def render(self, text: str) -> str:
        return _render(text, _answers, self.steps, self.colours)

    def beginning(self, text: str) -> str:
        """Render the first paragraphs of an answer, as a list shows it."""
        if len(text) <= BEGINNING:
            return self.render(text)
        begin = text[:BEGINNING]
        whole, gap, _ = begin.rpartition("\n\n")
        return self.render(f"{whole if gap else begin}\n\n…")


def render(text: str, *, growing: bool = False) -> str:
    """Return sanitised HTML; a text that is too long or too costly to parse is shown as plain text."""
    if growing:  # without colours: they would be made for each of many texts
        return _render(text, _growing, Steps(ANSWER_STEPS), Clock(0))
    return _render(text, _answers, Steps(ANSWER_STEPS), Clock(COLOURS_S))


def _render(text: str, cache: Cache, steps: Steps, colours: Clock) -> str:
    if len(text) > MAX_CHARACTERS:
        return _plain(text)
    if (html := cache.get(text)) is not None:
        return html
    most = max(min(steps.left, ANSWER_STEPS), 0)
    own = Steps(most)
    seconds = max(min(colours.left, COLOURS_S), 0)
    clock = Clock(seconds)
    try:
        html = parse(text, own, clock)
    except TooCostly:
        html = _plain(text)
    steps.left -= most - max(own.left, 0)
    colours.left -= seconds - max(clock.left, 0)
    is_whole = own.left >= 0 and (clock.left > 0 or cache is _growing)
    if is_whole or (most == ANSWER_STEPS and seconds == COLOURS_S):  # not if only this page's budget was too small
        cache.put(text, html)
    return html


def parse(text: str, steps: Steps, colours: Clock) -> str:
    """Return sanitised HTML, with colours if there is time for them; raises TooCostly."""
    return nh3.clean(
        _parser.render(text, {"steps": steps, "colours": colours}),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _plain(text: str) -> str:
    return f'<pre class="plain">{escapeHtml(text)}</pre>\n'


def _image_as_link(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render an image as a link: loading it would report the reader to its server."""
    address = escapeHtml(str(tokens[index].attrs.get("src", "")))
    return f'<a href="{address}">{escapeHtml(tokens[index].content or "image")}</a>'


def _fence(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render a block of code, in colours if its language is known."""
    language = unescapeAll(tokens[index].info).strip().partition(" ")[0]
    code = tokens[index].content
    html = highlight(code, language, env["colours"]) or escapeHtml(code)
    named = f' class="language-{escapeHtml(language)}"' if language else ""
    return f"<pre><code{named}>{html}</code></pre>\n"


def _cell(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render the beginning of a cell; pages allow no style, so numbers are aligned by a class."""
    token = tokens[index]
    return f'<{token.tag} class="number">' if token.attrs.get("style") == "text-align:right" else f"<{token.tag}>"


def _count_block(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Count a step and leave the line to the next rules; they also call this while looking for their own end."""
    state.env["steps"].take()
    return False


def _count_inline(state: StateInline, silent: bool) -> bool:
    state.env["steps"].take()
    return False


def _counted_table(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Count a table's cells before they are created: short rows are filled up to the table's width."""
    if not silent and table(state, first, end, True):
        after = next((line for line in range(first, end) if state.isEmpty(line)), end)
        columns = state.getLines(first + 1, first + 2, 0, False).count("|") + 1
        state.env["steps"].take(columns * (after - first))
    return table(state, first, end, silent)


_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_parser.add_render_rule("image", _image_as_link)
_parser.add_render_rule("fence", _fence)
_parser.add_render_rule("td_open", _cell)
_parser.add_render_rule("th_open", _cell)
_parser.inline.ruler.before("text", "count", _count_inline)
_parser.block.ruler.at("table", _counted_table, {"alt": ["paragraph", "reference"]})
_parser.block.ruler.before("table", "count", _count_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
