"""How pages show times, durations and states: one form each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from aiops.terminal import text

register = template.Library()


@register.simple_tag
def at(moment: datetime | None, *, ago: bool = False) -> SafeString | str:
    """Show a time: to the minute in UTC, which the page's script replaces by the reader's zone; ``ago`` as an age."""
    if moment is None:
        return "–"
    shown = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}"{}>{} UTC</time>',
        shown.isoformat(timespec="seconds").replace("+00:00", "Z"),
        SafeString(" data-ago") if ago else "",
        shown.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def span(seconds: float | None) -> str:
    """Show a duration in seconds, as the command line does."""
    return "–" if seconds is None else text.span(seconds)


@register.filter
def span_ms(ms: float | None) -> str:
    """Show a duration in milliseconds: "20 ms", "3.2 s"."""
    return f"{round(ms)} ms" if ms is not None and ms < 1_000 else span(None if ms is None else ms / 1e3)


@register.filter
def span_seconds(seconds: float | None) -> str:
    """Show a duration in seconds of any size: "3 ms", "2 s"."""
    return span_ms(None if seconds is None else seconds * 1e3)


@register.simple_tag
def badge(state: Any, label: str = "") -> SafeString:
    """Show a state as a badge, whose colour ``app.css`` takes from the state."""
    words = label or str(state).replace("_", " ").capitalize()
    return format_html('<span class="state" data-state="{}">{}</span>', state, words)
