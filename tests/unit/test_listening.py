"""The sockets of ``aiops up``: one for each address of the host, or one sentence on why there is none."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

import pytest

from config.local import listening, processes
from config.local.home import Unusable
from tests.ports import free_port


def test_a_name_is_listened_to_on_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    port, both = free_port(), ["127.0.0.1", "127.0.0.2", "127.0.0.1", "203.0.113.1"]  # the last one is not ours
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in both]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(made)) for made in listening.listen("name", port, "--port")]
        assert [made.getsockname() for made in opened] == [("127.0.0.1", port), ("127.0.0.2", port)]
        for address in both[:2]:
            with socket.socket() as client:
                client.settimeout(5)
                client.connect((address, port))  # nobody accepts yet, and nobody is refused


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-name.invalid"])
def test_a_host_that_is_not_this_machine_is_refused_with_the_cure(host: str) -> None:
    with pytest.raises(Unusable, match=r"cannot be used \(.+\): free it, or choose another with --port\."):
        listening.listen(host, free_port(), "--port")


def test_a_port_in_use_is_refused_and_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unusable, match=f"Port {port} of 127.0.0.1 is in use"):
            listening.listen("127.0.0.1", port, "--port")
    listening.check_port("127.0.0.1", port, "--port")
    listening.check_port("127.0.0.1", port, "--port")


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 2), (16, 4), (None, 1)])
def test_there_is_one_web_process_per_core_but_few(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, count: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert len(processes.web_names(0)) == count
    assert len(processes.web_names(7)) == 7


def test_the_only_web_process_has_no_number() -> None:
    assert (processes.web_names(1), processes.web_names(2)) == (["web"], ["web-1", "web-2"])
