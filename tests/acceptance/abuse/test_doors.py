"""The doors that are not the API: static files, health, the administration and the private Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from tests.acceptance.system import System

OUT = [
    "../config/settings.py",
    "..%2f..%2fetc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "web/..\\..\\x",
    "%00",
]
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture
def nobody(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url) as made:
        yield made


@pytest.mark.parametrize("path", OUT)
def test_static_files_end_at_their_folder(system: System, path: str) -> None:
    raw = httpx.Request("GET", system.url)
    raw.url = raw.url.copy_with(raw_path=f"/static/{path}".encode())
    with httpx.Client() as client:
        assert client.send(raw).status_code in (400, 404)


@pytest.mark.parametrize(
    "path", ["/", "/sign-in/", "/api/runs/", "/api/runs/x/events", "/nothing", "/health/live", "/static/web/app.css"]
)
def test_every_answer_keeps_browsers_safe(nobody: httpx.Client, path: str) -> None:
    answer = nobody.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "server" not in answer.headers


LOOK = """
from django.test import Client
from aiops.people.models import User

for name, rights in (("pat", {}), ("stef", {"is_staff": True}), ("boss", {"is_staff": True, "is_superuser": True})):
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_user(f"{name}-of-the-admin", **rights))
    paths = ("", "people/user/", "django_celery_beat/periodictask/")
    print(*(client.get(f"/admin/{path}").status_code for path in paths))
"""


def test_the_administration_is_for_those_with_rights_and_has_no_door_to_tasks(system: System) -> None:
    shown = system.manage(LOOK).strip().splitlines()[-3:]
    assert shown == ["302 302 302", "200 403 404", "200 200 404"]


def test_health_tells_strangers_nothing_but_names_of_parts(nobody: httpx.Client) -> None:
    assert nobody.get("/health/live").json() == {"status": "live"}
    assert set(nobody.get("/health/ready").json()) == {"status", "degraded"}


def test_the_private_valkey_wants_a_password_and_listens_here_alone(system: System) -> None:
    where = urlsplit(system.redis_url)
    assert where.hostname == "127.0.0.1"
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=where.port or 0).ping()
