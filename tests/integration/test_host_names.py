"""Probes and scrapes by any name or address are answered; every other path is for the server's own names alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr
from pytest_django.fixtures import Settings

from aiops.web.doors import front
from aiops.web.doors.handler import Handler

TOKEN = "metrics-token-of-this-test"
FOREIGN = ("10.244.1.7:8000", "[fd00::7]:8000", "aiops.aiops.svc.cluster.local:8000", "evil.example", "")
CLOSED = ("/", "/sign-in/", "/api/chat/", "/health", "/health/live/", "/health/ready/x", "/metrics/", "/favicon.ico")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings.SETTINGS = settings.SETTINGS.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    app = front.make(Handler())
    transport = httpx.ASGITransport(app, client=("10.244.0.1", 40_000))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as made:
        yield made


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_probe_is_answered_by_whatever_address_it_comes(client: httpx.AsyncClient, host: str) -> None:
    live, ready = [await client.get(f"/health/{name}", headers={"Host": host}) for name in ("live", "ready")]
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_scrape_by_any_address_needs_the_token_and_nothing_else(client: httpx.AsyncClient, host: str) -> None:
    scraped = await client.get("/metrics", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert scraped.status_code == 200
    assert "aiops_queue_oldest_seconds" in scraped.text
    assert (await client.get("/metrics", headers={"Host": host})).status_code == 401


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sign-in/",
        "/api/chat/",
        "/health",
        "/health/live/",
        "/health/ready/x",
        "/metrics/",
        "/static/web/icon.svg",
    ],
)
async def test_every_other_path_checks_its_host(client: httpx.AsyncClient, host: str, path: str) -> None:
    refused = await client.get(path, headers={"Host": host})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_host")
