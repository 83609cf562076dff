"""Each proxy tells clients apart: what one does is not counted for another."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.acceptance.browser import PASSWORD
from tests.conftest import missing, program
from tests.deploy.asking import addresses, ask, connect, sign_in
from tests.deploy.conftest import Installation
from tests.servers.proxies import Caddy, Proxy

MOST_CONNECTIONS = 250
RULES = Path(__file__).parents[2] / "deploy/connections.nft"


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


@contextmanager
def counting(proxy: Proxy) -> Iterator[None]:
    """Let the kernel count a proxy's connections, by the shipped file, where the proxy cannot."""
    if not isinstance(proxy, Caddy):
        yield
        return
    if os.geteuid() != 0:
        missing("root, which can reject packets")
    nft, table = program("nft", package="nftables"), f"inet aiops_tests_{proxy.port}"
    rules = RULES.read_text()
    assert rules.count("{ 80, 443 }") == 2
    rules = rules.replace("{ 80, 443 }", str(proxy.port)).replace("inet aiops", table)
    subprocess.run([nft, "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([nft, "delete", "table", *table.split()], check=True)


def test_connections_are_counted_for_the_client_that_opens_them(
    proxy: Proxy, installation: Installation, client: httpx.Client, token: dict[str, str]
) -> None:
    gate = uuid.uuid4().hex
    run = ask(client, pieces=["first ", "second"], gate=gate)
    many, other = addresses(proxy)
    watch = (
        f"GET {run['links']['events']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token['Authorization']}\r\n\r\n"
    )

    def opened(source: str) -> str:
        """Return what the client is answered, "200" if its stream is open."""
        try:
            stream = stack.enter_context(connect(proxy, source))
            stream.sendall(watch.encode())
            said = stream.recv(65_536).decode(errors="replace")
            return "200" if said.startswith("HTTP/1.1 200") else said
        except OSError as error:
            return repr(error)

    with ExitStack() as stack:
        stack.enter_context(counting(proxy))
        streams = [opened(many) for _ in range(MOST_CONNECTIONS + 1)]
        *within, beyond = streams
        assert set(within) == {"200"}
        assert beyond != "200"
        assert opened(other) == "200"
    installation.model.open_gates.add(gate)
