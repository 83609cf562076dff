"""What others have us connect to: it goes to public addresses by https, and nowhere else."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import Any

import pytest

from aiops import addresses
from aiops.addresses import BadAddress

PUBLIC = "93.184.215.14"


def looked_up(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    asked: list[str] = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_a_name_is_looked_up_once_and_its_address_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = looked_up(monkeypatch, PUBLIC)
    target = addresses.resolve("https://hooks.example.org/a?b=c", allowed=[], cure="")
    assert target.pinned_url == f"https://{PUBLIC}:443/a?b=c"
    assert target.host_header == "hooks.example.org"
    assert asked == ["hooks.example.org"]
    assert (
        addresses.resolve("https://hooks.example.org:8443", allowed=[], cure="").host_header == "hooks.example.org:8443"
    )


@pytest.mark.parametrize(
    "found",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b:1::1",
    ],
)
def test_addresses_that_are_not_public_are_refused_in_any_disguise(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    looked_up(monkeypatch, PUBLIC, found)
    with pytest.raises(BadAddress):
        addresses.resolve("https://hooks.example.org/", allowed=[], cure="")


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_a_name_that_no_host_can_have_is_a_bad_address(host: str) -> None:
    with pytest.raises(BadAddress, match="no name of a host"):
        addresses.resolve(f"https://{host}/", allowed=[], cure="")


def test_a_network_that_is_allowed_may_be_reached_also_by_http(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up(monkeypatch, "10.1.2.3")
    allowed = [ip_network("10.1.0.0/16")]
    assert addresses.resolve("http://hooks.internal/", allowed=allowed, cure="").address.compressed == "10.1.2.3"
    with pytest.raises(BadAddress):
        addresses.resolve("https://hooks.internal/", allowed=[ip_network("10.2.0.0/16")], cure="")
    looked_up(monkeypatch, PUBLIC)
    with pytest.raises(BadAddress, match="https"):
        addresses.resolve("http://hooks.example.org/", allowed=allowed, cure="")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "ftp://x/",
        "file:///etc/passwd",
        "https://",
        "https://user:password@x/",
        "https://x/#part",
        "https://x:99999/",
        "https://x/ y",
        "https://x/\n",
        "https://[::1",
        "https://münchen.example/",
        "https://x/" + "a" * 2_000,
    ],
)
def test_what_is_no_address_of_a_receiver_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        addresses.check(url)
