"""Finds the server and token of client commands: from the option, the environment or the home."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiops.settings import Settings
from aiops.terminal.client import CallFailed, Client
from config import env
from config.env import BadEnvironment
from config.local.home import Home
from config.local.listening import LOOPBACK


def connect(url: str | None) -> Client:
    """Return a client of ``url``, AIOPS_URL or the home's server; raises CallFailed."""
    try:
        settings = env.read()
    except BadEnvironment as bad:
        raise CallFailed(" ".join(bad.problems)) from bad
    env.export_authorities(settings)
    return find(settings, url)


def find(settings: Settings, url: str | None = None) -> Client:
    """Return a client of ``url``, AIOPS_URL or the home's server; raises CallFailed."""
    home = Home(settings.home)
    try:
        address = url or settings.url or (home.address.read_text().strip() if home.address.exists() else "")
        own = home.token.read_text().strip() if home.token.exists() and _is_ours(address, home, settings) else ""
        token = settings.token.get_secret_value() or own
    except (OSError, UnicodeDecodeError) as error:
        raise CallFailed(f"{home.path} cannot be read ({error}): set AIOPS_URL and AIOPS_TOKEN.") from error
    if not address:
        raise CallFailed(
            f"no server runs in {home.path}: start one with `aiops up`, "
            "or set AIOPS_HOME to another home, or AIOPS_URL and AIOPS_TOKEN."
        )
    if not address.startswith(("http://", "https://")):
        raise CallFailed(f"{address} is not a URL: give one such as http://127.0.0.1:8000.")
    if not token:
        raise CallFailed(
            f"there is no token for {address}: set AIOPS_TOKEN (the one in {home.token} is for the home's server)."
        )
    if not token.isascii() or not token.isprintable():
        raise CallFailed("AIOPS_TOKEN has characters that no header can carry: copy it again.")
    return Client(address, token)


def _is_ours(address: str, home: Home, settings: Settings) -> bool:
    """Whether the home's token may be sent there: to this machine, or to its server's recorded or public URL."""
    known = home.address.read_text().strip() if home.address.exists() else ""
    ours = {urlsplit(known).netloc, urlsplit(settings.public_url).netloc}
    return urlsplit(address).netloc in ours or urlsplit(address).hostname in LOOPBACK
