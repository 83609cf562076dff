"""What tests share: the database's name, servers that are started on demand, and programs a machine may lack."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from tests.started import HOME, OTHER_DATABASE

settings.register_profile("aiops", deadline=None)  # how long an example takes says more about the machine than about us
settings.load_profile("aiops")


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Use a file, not memory: tests run several threads over it. On a server use a name that no other suite has."""
    from django.conf import settings as django_settings

    own = f"test_aiops_{uuid.uuid4().hex[:12]}" if OTHER_DATABASE else str(HOME / "test.sqlite3")
    django_settings.DATABASES["default"]["TEST"]["NAME"] = own


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


def missing(what: str) -> NoReturn:
    """Skip a test that needs something this machine lacks; in CI that is an error."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"this machine has no {what}")


def program(name: str, *, package: str) -> str:
    """Return the path of a program; skip the test when this machine lacks it, which in CI is an error."""
    return shutil.which(name) or missing(f"{name} (Debian: {package})")
