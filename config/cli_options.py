"""Options that several commands have."""

from __future__ import annotations

import click

client_options = click.option("--url", help="The server  [default: AIOPS_URL, or the home's]")
