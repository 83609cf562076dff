"""Servers die, freeze and cannot be reached while questions are asked: none is lost, what still works goes on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import amqp
import psutil
import pytest

from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.checker import UNFINISHED
from tests.acceptance.matrix.conftest import Pairing
from tests.acceptance.matrix.scale import AWAY_S, BACKLOG, in_full
from tests.acceptance.system import eventually
from tests.patience import Patience
from tests.servers.server import Server

FAULTS: dict[str, tuple[Callable[[Server], None], Callable[[Server], None]]] = {
    "frozen": (Server.freeze, Server.thaw),
    "unreachable": (Server.cut, Server.heal),
    "killed": (Server.kill, Server.start),
}


def server_of(pairing: Pairing, part: str) -> Server:
    found = {"redis": pairing.redis, "broker": pairing.broker, "database": pairing.database}[part]
    if found is None:
        pytest.skip(f"this pairing has no {part} of its own: SQLite is a file, and Valkey is its broker")
    return found


def stay_away(begun: float) -> None:
    while time.monotonic() - begun < AWAY_S:
        time.sleep(0.1)


@pytest.mark.parametrize("fault", ["frozen", "killed", pytest.param("unreachable", marks=in_full)])
@pytest.mark.parametrize("part", ["redis", "broker", "database"])
def test_a_server_that_is_away_for_a_while_loses_nothing(pairing: Pairing, asker: Asker, part: str, fault: str) -> None:
    server = server_of(pairing, part)
    begin, end = FAULTS[fault]
    asker.ask(20, words=40, pause_s=0.05)
    begin(server)
    begun, patience = time.monotonic(), Patience(6)
    try:
        if part != "database":
            asker.ask(10)
            assert not patience.is_over(), "a POST waited for a server it does not need"
        stay_away(begun)
    finally:
        end(server)
    asker.ask(5)
    pairing.settle()
    pairing.check(asker, tidy=part != "redis")


def test_without_redis_runs_are_answered_and_streams_say_so(pairing: Pairing, asker: Asker) -> None:
    if pairing.broker is None:
        pytest.skip("here Redis is the broker too")
    pairing.redis.kill()
    try:
        asked = asker.ask(5)
        seen = [event.json().get("code") for event in pairing.system.events(asked[0].run)]
        assert "degraded" in seen
        for one in asked:
            run = pairing.system.run(one.run, wait=20)
            assert (run["state"], run["answer"]) == ("succeeded", one.answer)
    finally:
        pairing.redis.start()
    pairing.settle()
    pairing.check(asker, tidy=False)


def test_a_flushed_redis_loses_nothing(pairing: Pairing, asker: Asker) -> None:
    workers = pairing.system.processes("-Q runs")
    for worker in workers:  # idle: one that is stopped in a transaction would lock SQLite
        worker.suspend()
    try:
        asker.ask(10)
        pairing.redis.client().flushall()
    finally:
        for worker in workers:
            worker.resume()
    asker.ask(20, words=40, pause_s=0.05)
    pairing.redis.client().flushall()
    asker.ask(5)
    pairing.settle()
    pairing.check(asker, tidy=False)


def test_an_exclusive_lock_on_sqlite_loses_nothing(pairing: Pairing, asker: Asker) -> None:
    if pairing.database is not None:
        pytest.skip("PostgreSQL locks rows")
    asker.ask(20, words=40, pause_s=0.05)
    with closing(sqlite3.connect(pairing.system.home / "db.sqlite3", timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        late = threading.Thread(target=asker.ask, args=(3,))
        late.start()
        stay_away(begun)
        other.rollback()
    late.join(timeout=30)
    assert asker.refused == 0, "a question was refused instead of waiting for the lock"
    pairing.settle()
    pairing.check(asker)


@pytest.mark.timeout(240)
def test_a_backlog_without_workers_is_not_copied_and_then_answered(pairing: Pairing) -> None:
    system = pairing.system
    supervisor = psutil.Process(system.pid)
    supervisor.suspend()  # or it would start others
    for worker in system.processes("-Q runs"):
        worker.kill()
    try:
        before = _sent_again(pairing)
        system.manage(QUEUE_MANY.replace("CHUNKS", str(BACKLOG // 100)))
        begun = time.monotonic()
        while time.monotonic() - begun < 5:
            time.sleep(0.1)
        assert _sent_again(pairing) == before, "a backlog was copied"
    finally:
        supervisor.resume()
    done = "SELECT count(*) FROM runs_run WHERE state = 'succeeded' AND deadline_s = 119"
    eventually(lambda: system.rows(done)[0][0] > 20, within_s=60, what="the first answers")
    with system.client() as client:
        for _ in range(20):
            if client.post("/api/runs/cancel/", json={"state": "queued"}).status_code != 202:
                break
    eventually(lambda: system.rows(UNFINISHED) == [(0,)], within_s=60, what="the end of the backlog")
    counted = dict(system.rows("SELECT state, count(*) FROM runs_run WHERE deadline_s = 119 GROUP BY state"))
    assert sum(counted.values()) == BACKLOG
    failed = "SELECT error FROM runs_run WHERE deadline_s = 119 AND state = 'failed' LIMIT 3"
    assert set(counted) <= {"succeeded", "cancelled"}, system.rows(failed)
    assert _sent_again(pairing) == before, "what workers had in hand was copied"
    eventually(lambda: system.manage(DEPTH).split()[-1] == "0", within_s=90, what="the end of cancelled runs' messages")


DEPTH = "from aiops import dispatch; print(dispatch.depth('runs'))"


QUEUE_MANY = """
from aiops.runs import send
from aiops.conversations.models import Conversation, Message
from aiops.runs.models import Run
from aiops.people.models import User
user = User.objects.get(username="admin")
common = {"user": user, "position": 1, "deadline_s": 119}
for _ in range(CHUNKS):
    made = Conversation.objects.bulk_create(Conversation(user=user, title="c", last_position=2) for _ in range(100))
    said = Message.objects.bulk_create(Message(conversation=c, position=1, role="user", text="hello") for c in made)
    runs = Run.objects.bulk_create(Run(conversation=m.conversation, message=m, **common) for m in said)
    send.send_all(runs)
"""


def _sent_again(pairing: Pairing) -> int:
    rows = pairing.system.rows("SELECT summary FROM maintenance_jobrun WHERE job = 'reaper' AND outcome = 'done'")
    return sum(pairing.system.as_json(row[0])["sent_again"] for row in rows)


def test_a_message_that_no_worker_can_read_is_kept_as_a_dead_letter_and_reported(
    pairing: Pairing, asker: Asker
) -> None:
    if pairing.broker is None:
        pytest.skip("Redis keeps no dead letters")
    with amqp.Connection(f"127.0.0.1:{pairing.broker.port}") as connection:
        channel = connection.channel()
        headers = {"id": "1", "task": "aiops.unheard_of", "lang": "py"}
        message = amqp.Message(
            "[[], {}, {}]",
            content_type="application/json",
            content_encoding="utf-8",
            application_headers=headers,
            correlation_id="1",
        )
        channel.basic_publish(message, exchange="runs", routing_key="runs")
        eventually(lambda: channel.queue_declare("dead", passive=True).message_count == 1, what="the dead letter")
    assert "dead letters" in pairing.system.cli("doctor").stdout
    asker.ask(3)
    pairing.check(asker)
