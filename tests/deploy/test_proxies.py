"""People, programs and clients that mean harm, through each of the proxies whose files are shipped."""

from __future__ import annotations

import json
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import httpx_sse
import pytest

from tests.acceptance.browser import PASSWORD
from tests.acceptance.system import TERMINAL, eventually
from tests.conftest import program
from tests.deploy.asking import ask, sign_in
from tests.deploy.conftest import METRICS_TOKEN, PROBLEM, Installation, started
from tests.ports import free_port
from tests.servers.proxies import PROXIES, Proxy

MOST_OF_A_FILE = 52_428_800
HSTS = "max-age=31536000"


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
    found = json.loads(system.cli("doctor", "--json", env=env).stdout)[0]
    assert (found["part"], found["ok"]) == ("web", False)
    assert "SSL_CERT_FILE" in found["cure"]


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
