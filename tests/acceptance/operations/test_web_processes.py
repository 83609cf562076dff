"""Two web processes on one socket: limits hold over both, and one that is killed refuses nobody."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance.migrated import migrated
from tests.acceptance.operations.web_pair import HAMMERS, Hammer, in_one_minute, only, serving
from tests.acceptance.system import System, eventually

SIGN_INS = 5
REQUESTS = 20
MOST_OF_ONE_ADDRESS = 250
CLIENT = "127.0.0.2"
"""This machine under an address that is no trusted proxy."""
ADDRESSES = (f"203.0.113.{n}" for n in range(1, 255))


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def pair(scripted: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    limits = {"AIOPS_SIGN_INS_PER_MINUTE": str(SIGN_INS), "AIOPS_REQUESTS_PER_MINUTE": "100000"}
    home = migrated(tmp_path_factory.mktemp("pair") / "home")
    made = System(home, AIOPS_WEB_PROCESSES="2", **scripted, **limits).start()
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.fixture
def webs(pair: System) -> Iterator[list[psutil.Process]]:
    """Both web processes, serving."""
    yield serving(pair)
    for process in [*pair.processes("uvicorn"), *pair.processes("valkey-server"), *pair.processes("-Q runs")]:
        process.resume()


def wrong_password(system: System, address: str) -> int:
    """Sign in with a wrong password on a connection of its own, from behind a trusted proxy, and return the status."""
    headers = {"X-Forwarded-For": address, "Referer": system.url}
    with httpx.Client(base_url=system.url, headers=headers, timeout=40) as browser:
        form = browser.get("/sign-in/").text
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', form)
        assert token is not None, form
        sent = {"csrfmiddlewaretoken": token[1], "username": "ann", "password": "wrong"}
        return browser.post("/sign-in/", data=sent).status_code


def test_a_process_more_means_no_more_passwords_to_try(pair: System, webs: list[psutil.Process]) -> None:
    def attempt() -> None:
        tried, address = [], next(ADDRESSES)
        for web in [*webs, *webs]:
            with only(web, webs):
                tried += [wrong_password(pair, address) for _ in range(3)]
        assert tried == [200] * SIGN_INS + [429] * (len(tried) - SIGN_INS)

    in_one_minute(attempt)


def test_while_redis_hangs_each_process_still_limits_sign_ins(pair: System, webs: list[psutil.Process]) -> None:
    (valkey,) = pair.processes("valkey-server")

    def attempt() -> None:
        address = next(ADDRESSES)
        for web in webs:
            with only(web, webs):
                tried = [wrong_password(pair, address) for _ in range(SIGN_INS + 3)]
            assert tried == [200] * SIGN_INS + [429] * 3

    valkey.suspend()
    in_one_minute(attempt)
    valkey.resume()
    eventually(pair.is_ready, what="Redis's return")


def watch(system: System, run_id: str) -> socket.socket:
    """Open a stream of a run from CLIENT."""
    made = socket.socket()
    made.bind((CLIENT, 0))
    made.settimeout(30)
    made.connect(("127.0.0.1", system.port))
    head = f"Host: 127.0.0.1:{system.port}\r\nAuthorization: Bearer {system.token}\r\n"
    made.sendall(f"GET /api/runs/{run_id}/events HTTP/1.1\r\n{head}\r\n".encode())
    return made


def opened(client: socket.socket) -> bool:
    """Whether a stream has begun; one that is one too many is closed without an answer."""
    try:
        return client.recv(4_096).startswith(b"HTTP/1.1 200 ")
    except ConnectionError:
        return False


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        while client.recv(4_096):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return False


def test_one_address_has_so_many_streams_of_all_processes_and_those_of_a_killed_one_do_not_count(
    pair: System, webs: list[psutil.Process]
) -> None:
    first, second = webs
    for worker in pair.processes("-Q runs"):
        worker.suspend()
    run_id = pair.ask("later", {})["run"]["id"]
    with ExitStack() as stack:

        def streams(count: int) -> list[socket.socket]:
            return [stack.enter_context(closing(watch(pair, run_id))) for _ in range(count)]

        with only(first, webs):
            of_first = streams(MOST_OF_ONE_ADDRESS - 10)
            assert all(map(opened, of_first))
            eventually(lambda: sum(reported(pair).values()) == len(of_first), what="the first one's report")
        with only(second, webs):
            of_second = streams(30)
            eventually(lambda: sum(map(is_open, of_second)) == 10, what="the end of the streams beyond the limit")
            first.kill()
            eventually(lambda: first.pid not in reported(pair), within_s=25, what="the end of its counts")
            more = streams(100)
            assert all(map(opened, more))
            eventually(lambda: sum(reported(pair).values()) == 10 + len(more), what="the report of the new streams")
            assert all(map(is_open, more))
    serving(pair)


def reported(system: System) -> dict[int, int]:
    """Return the connections of CLIENT that are counted, by the process id of the web process."""
    fields = system.redis().hgetall(f"aiops:connections:{CLIENT}")
    return {int(process.split(b":")[-2]): int(count.split()[0]) for process, count in fields.items()}


def test_a_killed_process_is_replaced_and_fails_only_what_it_was_serving(
    pair: System, webs: list[psutil.Process]
) -> None:
    kills = 3
    with Hammer(pair.url) as hammer:
        for _ in range(kills):
            victim = serving(pair)[0]
            victim.send_signal(signal.SIGKILL)
            eventually(lambda gone=victim: not gone.is_running(), what="its end")
            answers = hammer.answers
            eventually(lambda so_far=answers: hammer.answers > so_far + 20, what="answers of the other one")
            serving(pair)
    assert len(hammer.failures) <= kills * HAMMERS
    lost = [error for error in hammer.failures if not isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)]
    assert lost == []


def test_who_comes_while_every_process_is_gone_is_answered_by_the_next_one(
    pair: System, webs: list[psutil.Process]
) -> None:
    for web in webs:
        web.kill()
    for web in webs:
        eventually(lambda gone=web: not gone.is_running(), what="its end")
    assert httpx.get(f"{pair.url}/health/live", timeout=60).status_code == 200
    serving(pair)


def test_each_process_has_its_log_and_the_address_is_one(pair: System, webs: list[psutil.Process]) -> None:
    assert pair.is_ready()
    done = pair.cli("doctor")
    assert (done.returncode, "DOWN" in done.stdout) == (0, False), done.stdout
    logs = {path.name for path in (pair.home / "logs").glob("web*.log")}
    assert logs == {"web-1.log", "web-2.log"}
    shown = "".join(pair.output)
    assert shown.count(f"Address    {pair.url}\n") == 1


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_process_more_means_no_more_requests_also_by_ipv6(tmp_path: Path, scripted: dict[str, str]) -> None:
    limits = {"AIOPS_WEB_PROCESSES": "2", "AIOPS_REQUESTS_PER_MINUTE": str(REQUESTS)}
    system = System(migrated(tmp_path / "home"), "--host", "::1", **scripted, **limits)
    system.url = f"http://[::1]:{system.port}"
    system.start()
    try:
        webs = serving(system)

        def attempt() -> None:
            statuses = []
            system.redis().delete(*system.redis().keys("aiops:throttle:*"), "none")
            for web in webs:
                with only(web, webs), system.client() as client:
                    statuses += [client.get("/api/runs/?limit=1").status_code for _ in range(REQUESTS)]
            assert statuses == [200] * REQUESTS + [429] * REQUESTS

        in_one_minute(attempt)
    finally:
        assert system.stop() == 0, "".join(system.output)
