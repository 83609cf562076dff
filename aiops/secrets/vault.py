"""Reads secrets of HashiCorp Vault: KV version 2, with a token or an AppRole.

``hvac`` is optional; its absence is an error that names the command. A process keeps one client, and logs in again
when Vault answers 403, because tokens of an AppRole expire.
"""

from __future__ import annotations

import importlib
import threading
import time
from typing import Any

from aiops.secrets.rules import VAULT
from aiops.settings import Settings

TIMEOUT_S = 5
REST_S = 10.0
"""A Vault that did not answer is not asked again for so long: each secret would wait, and tool servers with them."""
INSTALL = "hvac is not installed: pip install 'aiops[vault]'"


class VaultFailed(Exception):
    """Vault did not give a secret; the message has the cause and the cure."""


_lock = threading.Lock()
_clients: dict[tuple[str, str, str], Any] = {}
_silent_since: dict[str, float] = {}
"""By address: when it last did not answer (monotonic seconds)."""


def read(reference: str, settings: Settings) -> str:
    """Return the field that ``mount:path#field`` names; raises VaultFailed."""
    found = VAULT.match(reference)
    if found is None:  # written by raw SQL
        raise VaultFailed(f"{reference} is not mount:path#field")
    try:
        hvac: Any = importlib.import_module("hvac")
    except ImportError:
        raise VaultFailed(INSTALL) from None
    if not settings.vault_addr:
        raise VaultFailed("VAULT_ADDR is not set for the workers: set it to Vault's address")
    if time.monotonic() - _silent_since.get(settings.vault_addr, float("-inf")) < REST_S:
        raise VaultFailed(f"Vault at {settings.vault_addr} did not answer a moment ago: see that it runs")
    try:
        try:
            data = _read(_client(hvac, settings), found)
        except hvac.exceptions.Forbidden:
            data = _read(_client(hvac, settings, again=True), found)
    except hvac.exceptions.Forbidden:
        raise VaultFailed("Vault refuses (403): give the workers' token or AppRole a policy that may read it") from None
    except hvac.exceptions.InvalidPath:
        raise VaultFailed(f"Vault has nothing at {found['mount']}:{found['path']}") from None
    except (hvac.exceptions.VaultError, OSError) as error:
        if isinstance(error, OSError):  # as is what requests raises
            _silent_since[settings.vault_addr] = time.monotonic()
        raise VaultFailed(f"Vault at {settings.vault_addr} failed ({type(error).__name__})") from None
    if not isinstance(data.get(found["field"]), str):
        raise VaultFailed(f"{found['mount']}:{found['path']} has no text {found['field']}")
    return str(data[found["field"]])


def _read(client: Any, found: Any) -> dict[str, Any]:
    answer = client.secrets.kv.v2.read_secret_version(
        path=found["path"], mount_point=found["mount"], raise_on_deleted_version=True
    )
    data: dict[str, Any] = answer["data"]["data"]
    return data


def _client(hvac: Any, settings: Settings, *, again: bool = False) -> Any:
    """Return this process's client, logged in; ``again``: with a new token, if an AppRole gets one."""
    token, secret_id = settings.vault_token.get_secret_value(), settings.vault_secret_id.get_secret_value()
    key = (settings.vault_addr, token, settings.vault_role_id)
    with _lock:
        if again or key not in _clients:
            client = hvac.Client(url=settings.vault_addr, token=token or None, timeout=TIMEOUT_S)
            if not token:
                if not settings.vault_role_id:
                    raise VaultFailed("neither VAULT_TOKEN nor VAULT_ROLE_ID is set for the workers: set one")
                client.auth.approle.login(role_id=settings.vault_role_id, secret_id=secret_id)
            _clients[key] = client
        return _clients[key]
