"""Finds the server and token of client commands: the option, the environment, or the home's."""

from __future__ import annotations

import sys

from aiops.terminal.client import Client
from config import env
from config.env import BadEnvironment
from config.home import Home


def connect(url: str | None) -> Client:
    """Return a client; ends with one sentence when it is not clear whom to ask."""
    try:
        settings = env.read()
    except BadEnvironment as bad:
        sys.exit("aiops: " + " ".join(bad.problems))
    home = Home(settings.home)
    try:
        address = url or settings.url or (home.address.read_text().strip() if home.address.exists() else "")
        token = settings.token.get_secret_value() or (home.token.read_text().strip() if home.token.exists() else "")
    except OSError as error:
        sys.exit(f"aiops: {error.filename} cannot be read ({error.strerror}): set AIOPS_URL and AIOPS_TOKEN.")
    if not address:
        sys.exit(
            f"aiops: no server runs from {home.path}: start one with `aiops up`, "
            "or set AIOPS_HOME to another home, or AIOPS_URL and AIOPS_TOKEN."
        )
    if not token:
        sys.exit(f"aiops: there is no token in {home.token}: set AIOPS_TOKEN, or start `aiops up`, which writes one.")
    return Client(address, token)
