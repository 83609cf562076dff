"""Turns what a tool returns into text: every kind of content, also those that this program does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MAX_CHARACTERS = 1_000_000
"""Part of a result that is processed; the model gets far less of it."""
NOTHING = "[no content]"


def as_text(result: dict[str, Any]) -> str:
    """Return the text of a result of ``tools/call`` (MCP of 2025-11-25), unvalidated as servers send it.

    Structured content is added only when no text already has it.
    """
    content = result.get("content")
    items = content if isinstance(content, list) else [] if content is None else [content]
    texts = [_as_text(item) for item in items]
    structured = result.get("structuredContent")
    if structured is not None and not _is_repeated(structured, items, texts):
        texts.append(_json(structured))
    whole = "\n".join(texts)
    if len(whole) > MAX_CHARACTERS:
        return whole[:MAX_CHARACTERS] + "\n[cut]"
    return whole if whole or texts else NOTHING


def _as_text(item: Any) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        return _json(item)
    kind = item.get("type")
    make = KINDS.get(kind) if isinstance(kind, str) else None
    return make(item) if make else f"[content of the unknown kind {str(kind)[:60]!r}]"


def _text(item: dict[str, Any]) -> str:
    text = item.get("text")
    return text if isinstance(text, str) else _json(text)


def _media(item: dict[str, Any]) -> str:
    return f"[{item['type']} {_type(item)}, {_size(item.get('data'))} bytes]"


def _link(item: dict[str, Any]) -> str:
    name = str(item.get("title") or item.get("name") or "link")
    about = f": {item['description']}" if item.get("description") else ""
    return f"{name} <{item.get('uri')}>{about}"


def _resource(item: dict[str, Any]) -> str:
    inner = item.get("resource")
    if not isinstance(inner, dict):
        return "[resource without content]"
    if isinstance(inner.get("text"), str):
        return str(inner["text"])
    return f"[resource {inner.get('uri')}, {_type(inner)}, {_size(inner.get('blob'))} bytes]"


KINDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "text": _text,
    "image": _media,
    "audio": _media,
    "resource_link": _link,
    "resource": _resource,
}


def _type(item: dict[str, Any]) -> str:
    return str(item.get("mimeType") or "of an unknown type")[:100]


def _size(base64: Any) -> int:
    """Return how many bytes a Base64 text has, without decoding it."""
    text = base64.rstrip("=") if isinstance(base64, str) else ""
    return len(text) * 3 // 4


def _is_repeated(structured: Any, items: list[Any], texts: list[str]) -> bool:
    """Return whether the content already has the structured content: servers send it twice for older clients.

    Some wrap it in an object of one field: FastMCP what is no object, in ``result``; MCP's own server of files the
    content itself, in ``content`` (2026.8.31).
    """
    is_wrapped = isinstance(structured, dict) and len(structured) == 1
    ((field, inner),) = structured.items() if is_wrapped else [("", None)]
    if items and inner == items:
        return True
    if isinstance(inner, str) and inner in texts:
        return True
    same = [structured, inner] if field == "result" or isinstance(inner, dict | list) else [structured]
    return any(_parsed(text) in same for text in texts if text.strip())


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
