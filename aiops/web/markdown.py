"""Markdown to HTML that is safe to show: no raw HTML, no images, links that tell their target nothing."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

TAGS = {
    "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "a",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}}
MAX_CHARACTERS = 100_000


def _image_as_link(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Write an image as a link to it: loading it would tell its server that somebody reads this."""
    address = escapeHtml(str(tokens[index].attrs.get("src", "")))
    return f'<a href="{address}">{escapeHtml(tokens[index].content or "image")}</a>'


_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_parser.add_render_rule("image", _image_as_link)


@functools.lru_cache(maxsize=16)  # viewers of one run ask for the same text within moments
def render(text: str) -> str:
    """Return sanitised HTML; a longer text than 100,000 characters is cut."""
    return nh3.clean(
        _parser.render(text[:MAX_CHARACTERS]),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
