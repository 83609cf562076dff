"""The audit log on PostgreSQL, where transactions write at once: one chain, and no deadlock with other locks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.servers.postgresql import PostgreSQL

SET_UP = """
import json, threading
import django
from django.conf import settings
settings.DATABASES["default"]["OPTIONS"].pop("pool")
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
call_command("migrate", verbosity=0)
from aiops.audit import checkpoints
from aiops.audit.actions import Action
from aiops.audit.models import AuditRow
from aiops.audit.recording import record
from aiops.audit.verifying import verify
from aiops.changes import recording
from aiops.people.models import User
from aiops.tool_servers.models import MCPServer

failed = []

def at_once(*acts):
    ready = threading.Barrier(len(acts))
    def run(act):
        try:
            ready.wait(timeout=60)
            act()
        except Exception as error:
            failed.append(repr(error))
        finally:
            connection.close()
    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

"""
WRITERS = """
def write(writer):
    for number in range(6):
        with transaction.atomic():
            for _ in range(1 + (writer + number) % 3):
                record(Action.SIGN_OUT, actor=f"user-{writer}", actor_id=None, object="user:ann")

at_once(*[lambda writer=writer: write(writer) for writer in range(50)])
expected = sum(1 + (writer + number) % 3 for writer in range(50) for number in range(6))
page = verify()
print(json.dumps({
    "failed": failed,
    "expected": expected,
    "rows": AuditRow.objects.count(),
    "last": page.last.sequence,
    "problem": page.problem and str(page.problem),
    "signed": checkpoints.advance(),
}))
"""
CROSSED = """
ann = User.objects.create_user("ann")
for name in "xy":
    MCPServer.objects.create(name=name, url="https://tools.example.org/mcp")
begun, locked = threading.Event(), threading.Event()

def change(name):
    row = MCPServer.objects.select_for_update().get(name=name)
    row.tags = [*row.tags, "t"]
    row.save()

def first():
    with recording.by(ann):
        change("x")
        begun.set()
        assert locked.wait(30)
        change("y")  # which the other one holds until its end

def second():
    with recording.by(ann):
        assert begun.wait(30)
        change("y")
        locked.set()

at_once(first, second)
found = MCPServer.objects.filter(name__in="xy").order_by("name").values_list("tags", flat=True)
print(json.dumps({"failed": failed, "changes": list(found)}))
"""


@pytest.fixture
def run(postgresql: PostgreSQL) -> Any:
    def run(code: str) -> Any:
        env = {**os.environ, "DATABASE_URL": postgresql.url, "DJANGO_SETTINGS_MODULE": "config.settings"}
        command = [sys.executable, "-c", SET_UP + code]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_fifty_writers_at_once_leave_one_chain_that_verifies(run: Any) -> None:
    found = run(WRITERS)
    assert found["failed"] == []
    assert found["rows"] == found["last"] == found["signed"] == found["expected"]
    assert found["problem"] is None


def test_changes_that_wait_for_each_others_rows_do_not_wait_for_the_log_as_well(run: Any) -> None:
    found = run(CROSSED)
    assert found["failed"] == []
    assert found["changes"] == [["t"], ["t", "t"]]
