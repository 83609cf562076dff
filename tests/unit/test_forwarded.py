"""Whose X-Forwarded-For uvicorn believes: what docs/operations/proxies.md says of FORWARDED_ALLOW_IPS."""

from __future__ import annotations

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


async def seen(trusted: str, connected: str, *forwarded: str) -> tuple[str, str]:
    """Return the client's address and the scheme that the application sees."""
    scopes = []

    async def application(scope, receive, send) -> None:
        scopes.append(scope)

    headers = [(b"x-forwarded-proto", b"https"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    scope = {"type": "http", "scheme": "http", "client": (connected, 1), "headers": headers}
    await ProxyHeadersMiddleware(application, trusted)(scope, None, None)
    return scopes[0]["client"][0], scopes[0]["scheme"]


@pytest.mark.parametrize(
    ("trusted", "connected", "forwarded", "client"),
    [
        ("127.0.0.1", "127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.0/8", "10.1.2.3", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.0/8,::1", "::1", ["2001:db8::7"], "2001:db8::7"),
        ("127.0.0.1", "127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        # several: the last that is no proxy of ours, in one header or in many
        ("10.0.0.0/8", "10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        # everybody is trusted: the first, which anybody can claim unless the proxy overwrites the header
        ("*", "10.0.0.1", ["198.51.100.1, 203.0.113.7"], "198.51.100.1"),
    ],
)
async def test_a_trusted_proxy_says_who_the_client_is(
    trusted: str, connected: str, forwarded: list[str], client: str
) -> None:
    assert await seen(trusted, connected, *forwarded) == (client, "https")


@pytest.mark.parametrize(
    ("trusted", "connected"),
    [("127.0.0.1", "10.0.0.1"), ("127.0.0.1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("proxy", "10.0.0.1")],
)
async def test_who_is_not_trusted_is_the_client_itself(trusted: str, connected: str) -> None:
    assert await seen(trusted, connected, "203.0.113.7") == (connected, "http")
