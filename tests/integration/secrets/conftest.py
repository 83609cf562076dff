"""A key ring, somebody who may do everything with secrets, a stored secret, and a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from aiops import dispatch
from aiops.settings import Settings
from aiops.trials import asking, jobs
from tests.integration.secrets.calls import KEY, Call, calls, grown
from tests.integration.secrets.settings import settings


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    """Sets the key ring of this process."""

    def use(keys: str) -> Settings:
        made = settings(encryption_keys=keys)
        monkeypatch.setattr(django_settings, "SETTINGS", made)
        return made

    use(KEY)
    return use


@pytest.fixture
def call() -> Call:
    return calls(grown("eve", "view_secret", "add_secret", "change_secret", "delete_secret"))


@pytest.fixture
def stored(call: Call, ring: object) -> dict[str, Any]:
    answer = call("POST", body={"name": "netbox", "kind": "stored", "value": "canary-of-netbox"})
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does what is requested at once, in a thread of its own."""

    def work(job: str, *, request_id: str, in_s: int = 0) -> None:
        def run() -> None:
            try:
                jobs.run_trials(django_settings.SETTINGS)
            finally:
                connection.close()

        threading.Thread(target=run).start()

    monkeypatch.setattr(dispatch, "upkeep", work)
    monkeypatch.setattr(asking, "WAIT_S", 20)
