"""How pages show times, durations and states: one form each."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from aiops import settings
from aiops.runs.notices import says_tool_failed
from aiops.terminal import text

register = template.Library()


@register.simple_tag
def at(moment: datetime | None, *, ago: bool = False, zone: tzinfo | None = None) -> SafeString | str:
    """Show a time to the minute: in UTC, which the page's script replaces by the reader's zone; ``ago`` as an age.

    With a ``zone`` it stays in that one, which is named: the times of a schedule are its own.
    """
    if moment is None:
        return "–"
    shown = moment.astimezone(zone or UTC)
    mark = "data-zone" if zone else "data-ago" if ago else ""
    return format_html(
        '<time datetime="{}" {}>{} {}</time>',
        shown.isoformat(timespec="seconds"),
        mark,
        shown.strftime("%Y-%m-%d %H:%M"),
        zone or "UTC",
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


@register.filter
def money(amount: str | Decimal | None) -> str:
    """Show an amount in the currency of the models' prices."""
    return text.money(amount, settings.current().currency)


@register.filter
def gigabytes(size: float) -> str:
    """Show the size of a disk in bytes as tools that read disks do: 10⁹ bytes are a GB."""
    return f"{size / 1e9:.1f} GB"


@register.simple_tag
def badge(state: Any, label: str = "", *, notices: Any = None) -> SafeString:
    """Show a state as a badge, whose colour ``pages.css`` takes from the state.

    A run that succeeded although a tool failed, as its ``notices`` say, is not shown as plain success.
    """
    if notices and says_tool_failed(notices) and state == "succeeded":
        state, label = "partial", "A tool failed"
    words = label or str(state).replace("_", " ").capitalize()
    return format_html('<span class="state" data-state="{}">{}</span>', state, words)
