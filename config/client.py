"""Finds the server and token of client commands: the option, the environment, or the home's."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from aiops.settings import Settings
from aiops.terminal.client import CallFailed, Client
from config import env
from config.address import LOOPBACK
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
        own = home.token.read_text().strip() if home.token.exists() and _is_ours(address, home, settings) else ""
        token = settings.token.get_secret_value() or own
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"aiops: {home.path} cannot be read ({error}): set AIOPS_URL and AIOPS_TOKEN.")
    if not address:
        sys.exit(
            f"aiops: no server runs from {home.path}: start one with `aiops up`, "
            "or set AIOPS_HOME to another home, or AIOPS_URL and AIOPS_TOKEN."
        )
    if not address.startswith(("http://", "https://")):
        sys.exit(f"aiops: {address} is no address: give one such as http://127.0.0.1:8000.")
    if not token:
        sys.exit(
            f"aiops: there is no token for {address}: set AIOPS_TOKEN (the one in {home.token} is for its own server)."
        )
    if not token.isascii() or not token.isprintable():
        sys.exit("aiops: AIOPS_TOKEN has characters that no header can carry: copy it again.")
    try:
        return Client(address, token)
    except CallFailed as failed:
        sys.exit(f"aiops: {failed}")


def _is_ours(address: str, home: Home, settings: Settings) -> bool:
    """Whether the home's token may be sent there: to this machine, or where its server says that it is."""
    known = home.address.read_text().strip() if home.address.exists() else ""
    ours = {urlsplit(known).netloc, urlsplit(settings.public_url).netloc}
    return urlsplit(address).netloc in ours or urlsplit(address).hostname in LOOPBACK
