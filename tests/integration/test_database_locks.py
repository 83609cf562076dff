"""A writer that keeps SQLite's database for itself: the answer names that, and when to try again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import OperationalError, connection
from django.test import Client

from aiops.errors import BUSY, database_problem
from aiops.people import tokens
from aiops.people.models import User
from tests.started import OTHER_DATABASE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(OTHER_DATABASE), reason="only SQLite has one writer at a time"),
]


@pytest.fixture
def token() -> str:
    return tokens.issue(User.objects.create_user("ann"), name="test")[1]


@pytest.fixture
def _locked(token: str) -> Iterator[None]:
    """Another process writes, for longer than anybody waits."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    connection.close()


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.usefixtures("_locked")
@pytest.mark.parametrize("path", ["/api/chat/", "/api/batches/", "/api/tokens/"])
def test_a_call_while_another_writes_names_the_cause_and_when_to_try_again(
    client: Client, token: str, path: str
) -> None:
    body = {
        "/api/chat/": {"message": "x"},
        "/api/batches/": {"items": [{"prompt": "x"}]},
        "/api/tokens/": {"name": "x"},
    }
    answer = client.post(path, body[path], "application/json", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5"), answer.content
    problem = answer.json()
    assert (problem["code"], problem["detail"]) == ("database_unavailable", f"{BUSY} Nothing was changed.")


def test_a_page_while_another_writes_names_the_cause(client: Client, request: pytest.FixtureRequest) -> None:
    client.force_login(User.objects.create_user("eve"))
    request.getfixturevalue("_locked")
    answer = client.post("/sign-out/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5"), answer.content
    assert BUSY in answer.content.decode()


@pytest.mark.parametrize(
    "words",
    [
        "database is locked",
        "database table is locked",
        "database schema is locked: main",
        "locking protocol",
        "canceling statement due to lock timeout",
    ],
)
def test_every_way_in_which_a_database_says_that_another_writes_is_known(words: str) -> None:
    assert database_problem(OperationalError(words)) == BUSY
    assert "busy with other writes: try again" in BUSY
