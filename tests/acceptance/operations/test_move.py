"""One machine moves to PostgreSQL and back: the same people, tokens, conversations, batches, schedules and webhooks."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.migrated import migrated
from tests.acceptance.system import System, eventually
from tests.integration.moving import MANY, begin_and_kill, database, migrate, move
from tests.integration.receivers import Receiver
from tests.servers.postgresql import PostgreSQL

LISTS = ("conversations", "runs", "batches", "schedules", "webhooks", "tokens", "mcp-servers")
BULK = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO conversations_message (id, conversation_id, position, role, text, rolled_back, created_at)
SELECT printf('%032x', i), ?, i, 'user', 'message ' || i, 0, '2026-01-01 00:00:00' FROM n
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    with database(postgresql) as made:
        yield made


def use(system: System, receiver: Receiver) -> dict[str, Any]:
    """Do what people do, wait until all of it has ended, and return the ids."""
    asked = system.ask("what uses the most memory?", webhook=receiver.url)
    system.ended(asked["run"]["id"])
    with system.client() as client:
        items = [{"prompt": "hello"}, {"prompt": "thanks"}]
        batch = client.post("/api/batches/", json={"items": items, "webhook": receiver.url}).json()
        later = {"name": "later", "message": "hello", "every_s": 86_400}
        schedule = client.post("/api/schedules/", json=later).json()
        fired = client.post(schedule["links"]["run"]).json()["run"]
        reader = client.post("/api/tokens/", json={"name": "reader", "scope": "read"}).json()["token"]
        system.ended(fired)
        eventually(
            lambda: client.get(batch["links"]["self"]).json()["state"] == "completed", within_s=60, what="the batch"
        )
    eventually(lambda: len(receiver.got) == 2, within_s=60, what="two webhooks")
    return {"conversation": asked["conversation"], "reader": reader}


def shown(system: System, token: str) -> dict[str, Any]:
    """Return what a token shows of everything, and each conversation's messages."""
    with system.client(token) as client:
        seen = {name: client.get(f"/api/{name}/", params={"limit": 50}).json()["results"] for name in LISTS}
        for conversation in seen["conversations"]:
            messages = client.get(f"/api/conversations/{conversation['id']}/messages/").json()["results"]
            seen[f"messages of {conversation['id']}"] = messages
    return seen


def test_a_home_moves_to_postgresql_and_back_although_the_first_move_is_killed(
    url: str, receiver: Receiver, tmp_path: Path
) -> None:
    home = System(migrated(tmp_path / "home"), AIOPS_WEBHOOK_NETWORKS="127.0.0.1").start()
    ids = use(home, receiver)
    token, key = home.token, (home.home / "secret_key").read_text()
    refused = move("to-postgresql", home.home, url)
    assert (refused.returncode, "already running from" in refused.stderr) == (1, True)
    before = shown(home, ids["reader"])
    assert home.stop() == 0
    make_bulk(home.home)
    migrate(tmp_path, url)
    begin_and_kill(home.home, url)
    moved = move("to-postgresql", home.home, url)
    assert moved.returncode == 0, moved.stderr
    assert "Continuing the move" in moved.stderr

    servers = System(tmp_path / "servers", DATABASE_URL=url, AIOPS_SECRET_KEY=key).start()
    try:
        assert steady(shown(servers, ids["reader"])) == steady(before)
        with servers.client(token) as client:
            asked = client.post("/api/chat/", json={"message": "thanks", "conversation": ids["conversation"]}).json()
            eventually(
                lambda: client.get(f"/api/runs/{asked['run']['id']}/").json()["state"] == "succeeded", what="the answer"
            )
        before = shown(servers, ids["reader"])
    finally:
        assert servers.stop() == 0

    back = move("to-home", tmp_path / "back", url, AIOPS_SECRET_KEY=key)
    assert back.returncode == 0, back.stderr
    again = System(tmp_path / "back").start()
    try:
        after = shown(again, token)
        assert steady(after) == steady(before)
        texts = [one["text"] for one in after[f"messages of {ids['conversation']}"]]
        assert texts[::2] == ["what uses the most memory?", "thanks"]
        assert again.rows("SELECT count(*) FROM conversations_message WHERE text LIKE 'message %'") == [(MANY,)]
    finally:
        assert again.stop() == 0


def make_bulk(home: Path) -> None:
    """Give the home a conversation of somebody else with thousands of messages."""
    user, chat = uuid.uuid4().hex, uuid.uuid4().hex
    with closing(sqlite3.connect(home / "db.sqlite3")) as rows, rows:
        columns = [name for _, name, *_ in rows.execute("PRAGMA table_info(people_user)")]
        taken = ", ".join(f"'{user}'" if name == "id" else "'bulk'" if name == "username" else name for name in columns)
        rows.execute(f"INSERT INTO people_user ({', '.join(columns)}) SELECT {taken} FROM people_user LIMIT 1")
        rows.execute(
            "INSERT INTO conversations_conversation "
            "(id, kind, user_id, title, created_at, updated_at, last_position, memory_from) "
            "VALUES (?, 'chat', ?, 'bulk', '2026-01-01 00:00:00', '2026-01-01 00:00:00', ?, 0)",
            (chat, user, MANY),
        )
        rows.execute(BULK, (MANY, chat))


def steady(seen: dict[str, Any]) -> dict[str, Any]:
    """Return what a running system does not change: a home makes a token of its own, and servers are checked."""
    made = dict(seen)
    made["tokens"] = [(one["id"], one["name"], one["scope"]) for one in seen["tokens"] if one["name"] != "aiops up"]
    made["mcp-servers"] = [one["name"] for one in seen["mcp-servers"]]
    return made
