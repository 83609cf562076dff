"""Clients of a proxy: by page, by call and by socket."""

from __future__ import annotations

import json
import re
import socket
import ssl
import uuid
from typing import Any

import httpx

from tests.servers.proxies import PROXIES, Proxy


def addresses(proxy: Proxy) -> tuple[str, str]:
    """Return two client addresses that no other proxy's tests use: what they did is counted for a minute."""
    n = [kind.name for kind in PROXIES].index(proxy.name)
    return f"127.0.{n + 1}.2", f"127.0.{n + 1}.3"


def form_token(client: httpx.Client) -> str:
    found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', client.get("/sign-in/").text)
    assert found is not None
    return found[1]


def sign_in(client: httpx.Client, password: str, **headers: str) -> httpx.Response:
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": form_token(client)}
    return client.post("/sign-in/", data=form, headers=headers)


def ask(client: httpx.Client, message: str = "hello", **do: Any) -> dict[str, Any]:
    text = f"{message} {uuid.uuid4().hex} DO {json.dumps(do)}" if do else message
    answer = client.post("/api/chat/", json={"message": text})
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()["run"]
    return run


def connect(proxy: Proxy, source: str = "127.0.0.1") -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=20, source_address=(source, 0))
    return proxy.trusted.wrap_socket(plain, server_hostname="localhost")
