"""Two servers over HTTP, people with credentials for one of them, and a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings

from aiops import database
from aiops.llm.clients import Clients
from aiops.people.models import User
from aiops.settings import Settings
from aiops.tool_servers.credentials import saving
from aiops.tool_servers.models import MCPServer
from tests.integration.secrets.calls import KEY
from tests.integration.secrets.settings import settings
from tests.integration.tool_credentials.credential_server import CredentialServer, serving
from tests.integration.tool_credentials.working import ANN, BEN, BEN_LATER, Worker
from tests.integration.tool_servers.rows import add
from workers.control import Control


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch, db: None) -> Callable[[str], Settings]:
    """Sets the key ring of this process; there is no tool server but the test's own."""
    MCPServer.objects.all().delete()

    def use(keys: str) -> Settings:
        made = settings(encryption_keys=keys, environment="LAB", tool_servers={})
        monkeypatch.setattr(django_settings, "SETTINGS", made)
        return made

    use(KEY)
    return use


@pytest.fixture
def gitlab() -> Iterator[CredentialServer]:
    with serving() as server:
        server.accepts = {f"Bearer {one}" for one in (ANN, BEN, BEN_LATER)}
        yield server


@pytest.fixture
def netbox() -> Iterator[CredentialServer]:
    with serving() as server:
        yield server


@pytest.fixture
def people(db: None, gitlab: CredentialServer, netbox: CredentialServer) -> dict[str, User]:
    """Ann and Ben, who have a credential for gitlab, and Cy, who has none."""
    for name, server in (("gitlab", gitlab), ("netbox", netbox)):
        add(name, url=server.url, endpoint="/mcp", credential="user", accept_tools=True)
    made = {name: User.objects.create_user(name, password="correct-horse-battery") for name in ("ann", "ben", "cy")}
    saving.add(made["ann"], "gitlab", ANN)
    saving.add(made["ben"], "gitlab", BEN)
    return made


@pytest.fixture
async def worker(people: dict[str, User], empty_redis: None) -> AsyncIterator[Worker]:
    async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            threads, partial(database.with_connection, function, *args)
        )

    made = django_settings.SETTINGS
    with ThreadPoolExecutor(2) as threads:
        control = Control(made, Clients(made), in_thread=in_thread, stop_run=lambda _: None, slow_down=lambda _: None)
        await control.open()
        await asyncio.sleep(0)
        yield Worker(control, in_thread)
        await control.close()
    left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("tools:")]
    assert left == []
