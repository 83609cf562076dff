"""Each proxy tells clients apart: what one does is not counted for another."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import ExitStack

import httpx
import pytest

from tests.acceptance.browser import PASSWORD
from tests.deploy.asking import addresses, ask, connect, sign_in
from tests.deploy.conftest import Installation
from tests.servers.proxies import Proxy

MOST_CONNECTIONS = 250


def test_wrong_passwords_are_counted_for_the_client_that_sends_them(proxy: Proxy) -> None:
    guesser, other = addresses(proxy)
    with proxy.client(guesser) as bad, proxy.client(other) as good:
        statuses: Counter[int] = Counter()
        while not statuses[429] and statuses.total() < 100:  # a new minute may begin, and there are two processes
            spoofed = {"X-Forwarded-For": f"203.0.113.{statuses.total()}", "Forwarded": "for=203.0.113.1"}
            statuses[sign_in(bad, "wrong", Origin=proxy.url, **spoofed).status_code] += 1
        assert set(statuses) == {200, 429}
        assert statuses[200] >= 20
        assert sign_in(good, "wrong", Origin=proxy.url).status_code == 200
        assert sign_in(good, PASSWORD, Origin=proxy.url).status_code == 302


def test_connections_are_counted_for_the_client_that_opens_them(
    proxy: Proxy, installation: Installation, client: httpx.Client, token: dict[str, str]
) -> None:
    if proxy.name == "caddy":
        pytest.skip("Caddy counts no connections: docs/operations/proxies.md shows how the kernel does")
    gate = uuid.uuid4().hex
    run = ask(client, pieces=["first ", "second"], gate=gate)
    many, other = addresses(proxy)
    watch = (
        f"GET {run['links']['events']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token['Authorization']}\r\n\r\n"
    )

    def opened(source: str) -> bool:
        try:
            stream = stack.enter_context(connect(proxy, source))
            stream.sendall(watch.encode())
            return stream.recv(65_536).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    with ExitStack() as stack:
        streams = [opened(many) for _ in range(MOST_CONNECTIONS + 1)]
        assert streams == [True] * MOST_CONNECTIONS + [False]
        assert opened(other)
    installation.model.open_gates.add(gate)
