"""Guessed tokens, planted and ended sessions, and forged forms."""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.acceptance.browser import PASSWORD
from tests.acceptance.system import System, eventually

NOBODY = "00000000-0000-7000-8000-000000000000"
MAKE = (
    "from aiops.people.models import User; from aiops.people import tokens\n"
    "u = User.objects.create_user('{name}', password='" + PASSWORD + "')\n"
    "print(*(tokens.issue(u, name='x')[1] for _ in range(3)))"
)
PLANT = (
    "from django.contrib.sessions.backends.db import SessionStore\n"
    "s = SessionStore(); s['seen'] = 1; s.save(); print(s.session_key)"
)


@pytest.fixture(scope="module")
def sue(system: System) -> list[str]:
    """The tokens of somebody with a password, too."""
    return system.manage(MAKE.format(name="sue")).split()[-3:]


def sign_in(system: System, name: str, **cookies: str) -> httpx.Client:
    client = httpx.Client(base_url=system.url, cookies=cookies, timeout=20)
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', client.get("/sign-in/").text)[1]
    form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": token}
    answer = client.post("/sign-in/", data=form)
    assert answer.status_code == 302
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("aiops_session=")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    return client


def csrf(client: httpx.Client) -> dict[str, str]:
    return {"X-CSRFToken": client.cookies["aiops_csrf"]}


# tokens


def test_a_thousand_wrong_tokens_are_throttled_and_lock_nobody_else_out(system: System, sue: list[str]) -> None:
    known, fresh, unused = sue
    guesser, other = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}
    doors = ["/api/runs/", f"/api/runs/{NOBODY}/events"]

    def ask(client: httpx.Client, token: str, n: int = 0) -> httpx.Response:
        return client.get(doors[n % 2], headers={"Authorization": f"Bearer {token}"})

    with httpx.Client(base_url=system.url, headers=guesser) as bad, httpx.Client(base_url=system.url) as good:
        good.headers.update(other)
        assert ask(bad, known).status_code == 200
        answers = [ask(bad, f"aiops_{secrets.token_urlsafe(32)}", n) for n in range(1_000)]
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses[401] + statuses[429] == 1_000
        assert statuses[401] <= 100, "the limit is 50 a minute, and a new minute may begin"
        last = [answer for answer in answers if answer.status_code == 429][-2:]
        assert {answer.json()["code"] for answer in last} == {"too_many"}
        assert all(0 < int(answer.headers["retry-after"]) <= 60 for answer in last)
        assert ask(bad, known).status_code == 200, "who was let in before stays in"
        assert ask(good, fresh).status_code == 200
        assert ask(good, unused, 1).status_code == 404


# sessions


def test_a_planted_session_is_not_the_one_that_signs_in(system: System, sue: list[str]) -> None:
    planted = system.manage(PLANT).split()[-1]
    with closing(sign_in(system, "sue", aiops_session=planted)) as client:
        given = {cookie.value for cookie in client.cookies.jar if cookie.name == "aiops_session"} - {planted}
        assert len(given) == 1
    with httpx.Client(base_url=system.url, cookies={"aiops_session": planted}) as thief:
        assert thief.get("/api/runs/").status_code == 401
        assert thief.get(f"/api/runs/{NOBODY}/events").status_code == 401


FILE = {"file": ("a.txt", b"a")}


def takes_a_form_alone(operation: dict[str, Any]) -> bool:
    return list(operation.get("requestBody", {}).get("content", {})) == ["multipart/form-data"]


def test_every_change_with_a_session_needs_its_csrf_token(system: System, sue: list[str]) -> None:
    with closing(sign_in(system, "sue")) as client:
        schema = client.get("/api/schema/").json()
        calls = [
            (method, re.sub(r"\{\w+\}", NOBODY, path))
            for path, methods in schema["paths"].items()
            for method in methods
            if method != "get"
        ]
        assert len(calls) >= 9
        forms = {path for path, methods in schema["paths"].items() if takes_a_form_alone(methods.get("post", {}))}
        for forged in ({}, {"X-CSRFToken": "x" * 64}, {**csrf(client), "Origin": "https://evil.example"}):
            answers = {
                (m, p): client.request(m, p, headers=forged, **({"files": FILE} if p in forms else {"json": {}}))
                for m, p in calls
            }
            assert {call: a.json()["code"] for call, a in answers.items() if a.json()["code"] != "csrf_failed"} == {}
        for path in ("/sign-out/", "/sign-in/", "/admin/login/", "/admin/logout/"):
            assert client.post(path, data={"username": "sue"}).status_code in (403, 302), path
        assert client.get("/api/runs/").status_code == 200, "a forged sign-out signs nobody out"


STOP = (
    "from aiops.people.models import User\n"
    "u = User.objects.get(username='una'); u.set_password('another-one-12'); u.save()\n"
    "User.objects.filter(username='vic').update(is_active=False)"
)


def ask_slowly(system: System, token: str) -> str:
    """Ask for an answer that takes most of a minute, and return where its events are."""
    with system.client(token) as client:
        run = client.post("/api/chat/", json={"message": 'slowly DO {"words": 40, "pause": 1}'}).json()["run"]
        return run["links"]["events"]


def test_a_stream_ends_with_what_opened_it(usual: System) -> None:
    tokens = {name: usual.manage(MAKE.format(name=name)).split()[-1] for name in ("tim", "una", "vic")}
    paths = {name: ask_slowly(usual, token) for name, token in tokens.items()}
    with usual.client(tokens["tim"]) as tim:
        spare = tim.post("/api/tokens/", json={"name": "spare"}).json()
    viewers = {
        "signed out": (sign_in(usual, "tim"), paths["tim"]),
        "token revoked": (usual.client(spare["token"]), paths["tim"]),
        "password changed": (sign_in(usual, "una"), paths["una"]),
        "user locked": (usual.client(tokens["vic"]), paths["vic"]),
        "still signed in": (sign_in(usual, "tim"), paths["tim"]),
        "token of who changed the password": (usual.client(tokens["una"]), paths["una"]),
    }
    open_now: set[str] = set()

    def watch(name: str, client: httpx.Client, path: str) -> None:
        with client.stream("GET", path) as stream:
            open_now.add(name)
            assert "run.succeeded" not in "".join(stream.iter_lines())
            open_now.discard(name)

    for name, (client, path) in viewers.items():
        threading.Thread(target=watch, args=(name, client, path), daemon=True).start()
    eventually(lambda: len(open_now) == len(viewers), what="the streams")
    tim = viewers["signed out"][0]
    assert tim.post("/sign-out/", headers=csrf(tim)).status_code == 302
    with usual.client(tokens["tim"]) as owner:
        assert owner.delete(f"/api/tokens/{spare['id']}/").status_code == 204
    usual.manage(STOP)
    stay = {"still signed in", "token of who changed the password"}
    eventually(lambda: open_now == stay, within_s=8, what="the end of four streams")
    again = {name: client.get(path).status_code for name, (client, path) in viewers.items() if name not in stay}
    assert set(again.values()) == {401}
    for name in ("tim", "una"):
        with usual.client(tokens[name]) as client:
            client.post("/api/runs/cancel/", json={"state": "running"})
    eventually(lambda: not open_now, what="the end of all")
    for client, _ in viewers.values():
        client.close()
