"""What is posted of a notice: as Slack's incoming webhooks take it, or as ntfy does; whatever it says is only shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.header import Header
from typing import Any

MAX_CHARACTERS = 3_000


def slack(said: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return (body, headers). ``&``, ``<`` and ``>`` are escaped, or a text could mention a whole channel.

    Source: Slack's documentation, "Formatting text for app surfaces".
    """
    text = "\n".join(part for part in (said["title"], said["text"][:MAX_CHARACTERS], said["link"]) if part)
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, escaped)
    return json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}


def ntfy(said: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return (body, headers): the text is the body, the title a header in RFC 2047 form (ntfy's "Publishing")."""
    title = " ".join(said["title"].split())
    headers = {"Content-Type": "text/plain; charset=utf-8", "Title": Header(title, "utf-8", maxlinelen=9_999).encode()}
    if said["link"].startswith(("http://", "https://")):
        headers["Click"] = said["link"]
    return said["text"][:MAX_CHARACTERS].encode(), headers
