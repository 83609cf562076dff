"""How pages show times, durations and states: one form each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
"""Durations from twice this many seconds on are shown in this unit."""


@register.simple_tag
def at(moment: datetime | None, *, ago: bool = False) -> SafeString | str:
    """Show a time: to the minute in UTC, which the page's script replaces by the reader's zone; ``ago`` as an age."""
    if moment is None:
        return "–"
    text = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}"{}>{} UTC</time>',
        text.isoformat(timespec="seconds").replace("+00:00", "Z"),
        SafeString(" data-ago") if ago else "",
        text.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def span(seconds: float | None) -> str:
    """Show a duration in seconds: "0.4 s", "3 s", "4 min", "5 h", "2 d"."""
    if seconds is None:
        return "–"
    for size, unit in STEPS:
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{seconds:.1f} s" if 0 < seconds < 9.95 and round(seconds, 1) % 1 else f"{round(seconds)} s"


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
