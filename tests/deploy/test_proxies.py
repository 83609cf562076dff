"""People, programs and clients that mean harm, through each of the proxies whose files are shipped."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest

from tests.acceptance.browser import PASSWORD
from tests.acceptance.system import TERMINAL, eventually
from tests.conftest import program
from tests.deploy.conftest import METRICS_TOKEN, Installation, started
from tests.ports import free_port
from tests.servers.proxies import PROXIES, Proxy

MOST_OF_A_FILE = 52_428_800
MOST_CONNECTIONS = 250
PROBLEM = "application/problem+json"
HSTS = "max-age=31536000"


@pytest.fixture
def token(installation: Installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {installation.system.token}"}


@pytest.fixture
def client(proxy: Proxy, token: dict[str, str]) -> Iterator[httpx.Client]:
    with proxy.client(headers=token) as made:
        yield made


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


# doors


def test_a_page_signs_in_with_cookies_that_only_https_carries(proxy: Proxy) -> None:
    with proxy.client() as client:
        page = client.get("/sign-in/")
        assert page.headers["strict-transport-security"] == HSTS
        assert "Secure" in page.headers["set-cookie"].split("; ")
        answer = sign_in(client, PASSWORD, Origin=proxy.url)
        assert answer.status_code == 302, answer.text
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("aiops_session=")]
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert client.get("/").status_code == 200


def test_a_web_process_knows_that_the_page_came_by_https(proxy: Proxy) -> None:
    with proxy.client() as client:
        refused = sign_in(client, PASSWORD)  # over http, Django wants neither an Origin nor a Referer
    assert refused.status_code == 403
    with proxy.client() as client:
        assert sign_in(client, PASSWORD, Referer=f"{proxy.url}/sign-in/").status_code == 302


def test_http_leads_to_https(proxy: Proxy) -> None:
    answer = httpx.get(f"{proxy.http_url}/batches/?page=2", timeout=20)
    assert (answer.status_code, answer.headers["location"]) == (308, f"{proxy.url}/batches/?page=2")
    stranger = httpx.get(f"http://127.0.0.1:{proxy.http_port}/", headers={"Host": "evil.example"}, timeout=20)
    assert "evil" not in stranger.headers.get("location", "")


def test_events_arrive_while_the_run_goes_on(installation: Installation, client: httpx.Client) -> None:
    gate = uuid.uuid4().hex
    run = ask(client, pieces=["first ", "second"], gate=gate)
    seen = []
    with httpx_sse.connect_sse(client, "GET", run["links"]["events"]) as source:
        for event in source.iter_sse():
            seen.append(event.event)
            if event.event == "message.delta" and gate not in installation.model.open_gates:
                installation.model.open_gates.add(gate)
            if event.event in TERMINAL:
                break
    assert seen[-1] == "run.succeeded"
    assert seen.count("message.delta") >= 1


def test_a_long_poll_lasts_and_is_answered_at_the_end(installation: Installation, client: httpx.Client) -> None:
    gate = uuid.uuid4().hex
    run = ask(client, pieces=["first ", "second"], gate=gate)
    where = f"/api/runs/{run['id']}/"
    assert client.get(where, params={"wait": 30}).json()["state"] == "running"
    with ThreadPoolExecutor() as threads:
        polled = threads.submit(client.get, where, params={"wait": 30})
        installation.model.open_gates.add(gate)
        assert polled.result().json()["state"] == "succeeded"


def test_http2_carries_streams_and_bodies(proxy: Proxy, installation: Installation, client: httpx.Client) -> None:
    run = ask(client, words=20)
    curl = [program("curl", package="curl"), "--http2", "--silent", "--show-error", "--max-time", "60", "--no-buffer"]
    curl += [
        "--cacert",
        str(proxy.certificates / "ca.pem"),
        "--header",
        f"Authorization: Bearer {installation.system.token}",
    ]
    curl += ["--write-out", "HTTP/%{http_version} %{response_code}"]
    streamed = subprocess.run([*curl, proxy.url + run["links"]["events"]], capture_output=True, text=True)
    assert "event: run.succeeded" in streamed.stdout, streamed
    assert streamed.stdout.endswith("HTTP/2 200")
    body = ["--json", json.dumps({"message": "hello"})]
    asked = subprocess.run([*curl, *body, f"{proxy.url}/api/chat/"], capture_output=True, text=True)
    assert asked.stdout.endswith("HTTP/2 202"), asked


def test_the_terminal_trusts_an_authority_that_it_is_given(proxy: Proxy, installation: Installation) -> None:
    system = installation.system
    env = {"AIOPS_URL": proxy.url, "AIOPS_TOKEN": system.token}
    refused = system.cli("runs", "list", env=env)
    assert refused.returncode != 0
    assert "certificate" in (refused.stderr + refused.stdout).lower()
    listed = system.cli("runs", "list", env={**env, "SSL_CERT_FILE": str(proxy.certificates / "ca.pem")})
    assert listed.returncode == 0, listed.stderr


# bodies


def test_a_batch_file_of_50_mib_arrives_whole(client: httpx.Client) -> None:
    line = json.dumps({"prompt": "x" * 30_000, "unknown": 1}) + "\n"  # not valid, so none of it is run
    lines = (line * (MOST_OF_A_FILE // len(line) + 1))[: MOST_OF_A_FILE - 1] + "\n"
    answer = client.post("/api/batches/", files={"file": ("large.jsonl", lines)})
    assert answer.status_code == 202, answer.text
    here = f"/api/batches/{answer.json()['id']}/"
    batch = eventually(lambda: (seen := client.get(here).json())["state"] == "failed" and seen, within_s=60)
    assert batch["counts"]["total"] == batch["counts"]["invalid"] == MOST_OF_A_FILE // len(line) + 1
    assert client.delete(here).status_code == 204


def test_a_larger_file_is_refused_by_our_problem(client: httpx.Client) -> None:
    answer = client.post("/api/batches/", files={"file": ("large.jsonl", b"x" * (MOST_OF_A_FILE + 1))})
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.json()["code"] == "body_too_large"


# problems


@pytest.mark.parametrize("path", ["/api/runs/00000000-0000-7000-8000-000000000000/", "/api/none/"])
def test_the_problems_of_aiops_are_passed_on(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json()["code"] == "not_found"
    assert answer.headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/metrics?x=1"])
def test_metrics_are_not_shown_to_the_world(
    proxy: Proxy, installation: Installation, client: httpx.Client, path: str
) -> None:
    token = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    assert httpx.get(f"{installation.system.url}{path}", headers=token).status_code == 200
    answer = client.get(path, headers=token)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json()["detail"] == "Metrics are not shown here."


@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_without_a_web_process_there_is_a_problem_too(kind: type[Proxy], certificates: Path, tmp_path: Path) -> None:
    webs = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    for proxy in started(kind(tmp_path, webs=webs, certificates=certificates)):
        with proxy.client() as client:
            answer = client.post("/api/chat/", json={"message": "hello"})
        assert answer.status_code in (502, 503), answer.text
        assert (answer.headers["content-type"], answer.headers["retry-after"]) == (PROBLEM, "5")
        assert (answer.json()["code"], answer.json()["status"]) == ("unavailable", answer.status_code)
        assert answer.headers["strict-transport-security"] == HSTS


# clients


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


# changes, once


class Vanishing:
    """A backend that is healthy, reads a change and then closes the connection; ``changes`` has each it got."""

    def __init__(self, begun: threading.Event | None = None) -> None:
        self.changes: list[str] = []
        self._begun = begun or threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as lines:
            while first := lines.readline().decode():
                length = 0
                while (header := lines.readline().decode().lower().strip()) != "":
                    name, _, value = header.partition(":")
                    length = int(value) if name == "content-length" else length
                if length:
                    lines.read(1)
                    self._begun.set()
                    lines.read(length - 1)
                if not first.startswith("GET"):
                    self.changes.append(first.split()[0])
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_a_body_passes_through_as_it_arrives(kind: type[Proxy], certificates: Path, tmp_path: Path) -> None:
    begun = threading.Event()
    backends = [Vanishing(begun), Vanishing(begun)]
    part = b"x" * 100_000
    for proxy in started(kind(tmp_path, webs=[one.address for one in backends], certificates=certificates)):
        with connect(proxy) as client:
            head = f"POST /api/batches/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(part) * 5}\r\n\r\n"
            client.sendall(head.encode() + part)
            assert begun.wait(timeout=30), "the backend gets nothing before the body is whole"
            client.sendall(part * 4)
            assert client.recv(65_536).startswith(b"HTTP/1.1 502")
    for one in backends:
        one.close()


@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "kept connection"])
@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_a_change_that_was_begun_is_not_sent_again(
    kind: type[Proxy], reused: bool, certificates: Path, tmp_path: Path
) -> None:
    backends = [Vanishing(), Vanishing()]
    webs = [one.address for one in backends]
    for proxy in started(kind(tmp_path, webs=webs, certificates=certificates)):
        for headers in ({}, {"Idempotency-Key": "one"}):
            with proxy.client() as client:
                if reused:
                    assert client.get("/").status_code == 200
                answer = client.post("/api/chat/", json={"message": "hello"}, headers=headers)
            assert answer.status_code == 502, answer.text
            assert (answer.headers["content-type"], answer.json()["code"]) == (PROBLEM, "unavailable")
            assert [change for one in backends for change in one.changes] == ["POST"]
            for one in backends:
                one.changes.clear()
    for one in backends:
        one.close()


def test_web_processes_that_restart_make_nothing_twice(
    proxy: Proxy, installation: Installation, token: dict[str, str]
) -> None:
    name, stop = uuid.uuid4().hex, threading.Event()
    accepted: set[str] = set()

    def post(number: int) -> int:
        n = 0
        with proxy.client(headers=token) as client:
            while not stop.is_set():
                n += 1
                message = f"{name} {number}-{n}"
                with suppress(httpx.TransportError):
                    if client.post("/api/chat/", json={"message": message}).status_code == 202:
                        accepted.add(message)
        return n

    def more(than: int) -> bool:
        return len(accepted) > than + 8

    with ThreadPoolExecutor() as threads:
        posting = [threads.submit(post, number) for number in range(4)]
        try:
            for _ in range(3):
                eventually(lambda before=len(accepted): more(before), within_s=60, what="requests before a crash")
                installation.second.kill()
                eventually(lambda before=len(accepted): more(before), within_s=60, what="requests with one process")
                installation.second.start()
                (web,) = installation.system.processes(f"--port {installation.system.port}")
                web.terminate()
                eventually(lambda gone=web: not gone.is_running(), what="the end of the first web process")
                eventually(lambda before=len(accepted): more(before), within_s=60, what="requests meanwhile")
                eventually(installation.system.is_ready, within_s=60, what="the first web process")
        finally:
            stop.set()
        posts = sum(thread.result() for thread in posting)
    rows = installation.system.rows("SELECT text FROM conversations_message WHERE text LIKE ?", f"{name}%")
    made = Counter(text for (text,) in rows)
    assert set(made.values()) == {1}
    assert accepted <= set(made)
    assert len(accepted) <= len(made) <= posts
