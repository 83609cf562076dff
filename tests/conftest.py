"""What all tests share: an environment of their own, and a private Valkey."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest

OTHER_DATABASE = os.environ.get("AIOPS_TEST_DATABASE_URL", "")
"""Where the integration tests run instead of SQLite, such as postgres://postgres@127.0.0.1/postgres."""
HOME = Path(tempfile.mkdtemp(prefix="aiops-tests-"))
FROM_OUTSIDE = (
    "AIOPS_",
    "LLM_",
    "OPENAI_",
    "OLLAMA_",
    "DATABASE_URL",
    "REDIS_URL",
    "CELERY_",
    "CHECKPOINT_",
    "LOG_LEVEL",
)
for name in [n for n in os.environ if n.startswith(FROM_OUTSIDE)]:
    del os.environ[name]
os.environ["AIOPS_HOME"] = str(HOME)
os.environ["AIOPS_SECRET_KEY"] = secrets.token_urlsafe(48)
os.environ["DATABASE_URL"] = OTHER_DATABASE or f"sqlite:///{HOME / 'unit.sqlite3'}"
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ["no_proxy"] = "*"
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"


def _start_valkey() -> subprocess.Popen[bytes]:
    from config import valkey
    from config.home import Home

    home = Home(HOME / "valkey-of-tests")
    home.valkey.mkdir(parents=True)
    command, url = valkey.configure(home)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while not valkey.is_ready(url):
        assert time.monotonic() < until, "the private Valkey did not start"
        time.sleep(0.02)
    os.environ["REDIS_URL"] = url
    return server


_server: list[subprocess.Popen[bytes]] = []


_server.append(_start_valkey())
django.setup()


def pytest_unconfigure() -> None:
    for server in _server:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Use a file, not memory: tests run several threads over it."""
    from django.conf import settings

    if not OTHER_DATABASE:
        settings.DATABASES["default"]["TEST"]["NAME"] = str(HOME / "test.sqlite3")


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.servers.postgresql import PostgreSQL

    yield from _running(PostgreSQL(tmp_path_factory.mktemp("postgresql")))


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.servers.rabbitmq import RabbitMQ

    yield from _running(RabbitMQ(tmp_path_factory.mktemp("rabbitmq")))


def _running(server: Any) -> Iterator[Any]:
    try:
        server.start()
        yield server
    finally:
        server.end()


def missing(what: str) -> None:
    """Skip a test that needs something this machine lacks; in CI that is an error."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"this machine has no {what}")
