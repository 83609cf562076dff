"""Reads a secret value: typed unseen, or piped in."""

from __future__ import annotations

import sys

import click


def typed_or_piped(what: str = "Value") -> str:
    """Return the value; it is never an argument, which other users of the machine could see."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, confirmation_prompt=True))
    return sys.stdin.read().strip()
