"""What others have us connect to: it goes to public addresses by https, and nowhere else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from aiops import lookups, net
from aiops.net import BadAddress, Target
from tests.acceptance.system import eventually

PUBLIC = "93.184.215.14"


def looked_up(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    asked: list[str] = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def resolve(url: str, **options: Any) -> Target:
    return lookups.run(net.resolve(url, **options))


def test_a_name_is_looked_up_once_and_its_address_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = looked_up(monkeypatch, PUBLIC)
    target = resolve("https://hooks.example.org/a?b=c", allowed=[], cure="")
    assert target.pinned_url == f"https://{PUBLIC}:443/a?b=c"
    assert target.host_header == "hooks.example.org"
    assert asked == ["hooks.example.org"]
    assert resolve("https://hooks.example.org:8443", allowed=[], cure="").host_header == "hooks.example.org:8443"


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
        "64:ff9b::10.0.0.1",
        "fec0::1",
        "::10.0.0.1",
        "::93.184.215.14",
        "::ffff:0:127.0.0.1",
        "3fff::1",
        "5f00::1",
        "100::1",
        "100:0:0:1::1",
        "2001:db8::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2002:5db8:d70e::",
        "4000::1",
        "ff0e::1",
        "192.0.0.8",
        "192.88.99.1",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_addresses_that_are_not_public_are_refused_in_any_disguise(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    looked_up(monkeypatch, PUBLIC, found)
    with pytest.raises(BadAddress):
        resolve("https://hooks.example.org/", allowed=[], cure="")


@pytest.mark.parametrize("found", ["2606:4700:4700::1111", "::ffff:93.184.215.14", "64:ff9b::93.184.215.14"])
def test_public_addresses_may_be_reached_over_ipv6(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    looked_up(monkeypatch, found)
    assert resolve("https://hooks.example.org/", allowed=[], cure="").address == ip_address(found)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Name servers that never answer, until the event is set."""
    answer = threading.Event()

    def hang(host: str, port: int, **_: Any) -> list[Any]:
        answer.wait()
        return [(socket.AF_INET, 1, 6, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield answer
    answer.set()
    eventually(lambda: not lookups._running, within_s=30, what="the end of all look-ups")  # others would share them


def test_a_name_whose_look_up_hangs_is_given_up_in_time(hanging: threading.Event) -> None:
    with pytest.raises(TimeoutError, match=r"hooks\.example\.org"):
        resolve("https://hooks.example.org/", allowed=[], cure="", timeout_s=0.05)


async def test_a_coroutine_gives_up_a_hanging_look_up_and_its_loop_goes_on(hanging: threading.Event) -> None:
    with pytest.raises(TimeoutError, match=r"hooks\.example\.org"):
        await net.resolve("https://hooks.example.org/", allowed=[], cure="", timeout_s=0.05)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_a_name_that_no_host_can_have_is_a_bad_address(host: str) -> None:
    with pytest.raises(BadAddress, match="not a valid host name"):
        resolve(f"https://{host}/", allowed=[], cure="")


def test_a_network_that_is_allowed_may_be_reached_also_by_http(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up(monkeypatch, "10.1.2.3")
    allowed = [ip_network("10.1.0.0/16")]
    assert resolve("http://hooks.internal/", allowed=allowed, cure="").address.compressed == "10.1.2.3"
    with pytest.raises(BadAddress):
        resolve("https://hooks.internal/", allowed=[ip_network("10.2.0.0/16")], cure="")
    looked_up(monkeypatch, PUBLIC)
    with pytest.raises(BadAddress, match="https"):
        resolve("http://hooks.example.org/", allowed=allowed, cure="")


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
def test_an_address_that_no_webhook_may_have_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        net.check(url)
