"""``aiops audit`` as an auditor types it, and the log of a running system."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.acceptance.system import System, eventually


def test_the_log_of_a_running_system_is_listed_exported_and_verifies(plain: System) -> None:
    assert plain.cli("secrets", "add", "audited", input="canary-of-the-audit\n").returncode == 0
    assert plain.cli("secrets", "check", "audited").returncode == 0
    listed = plain.cli("audit", "list", "--action", "configuration.created", "--object", "secret:audited").stdout
    (line,) = listed.splitlines()
    assert line.split("\t")[2:5] == ["admin", "configuration.created", "secret:audited"]
    eventually(
        lambda: plain.cli("audit", "list", "--object", "secret:audited", "--actor", "worker").stdout,
        within_s=30,
        what="the use of a secret by a worker",
    )
    verified = plain.cli("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert " rows verified, up to row " in verified.stdout
    exported = plain.cli("audit", "export").stdout
    rows = [json.loads(row) for row in exported.splitlines()]
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert (rows[0]["action"], rows[0]["object"]) == ("token.created", "token:admin/aiops up")
    assert rows[-1]["action"] == "audit.exported"
    assert "canary" not in exported + listed
    later = plain.cli("audit", "export", "--since", "2100-01-01").stdout
    assert later == ""
    wrong = plain.cli("audit", "list", "--action", "nonsense")
    assert (wrong.returncode, "action" in wrong.stderr) == (1, True)
    plain.cli("secrets", "remove", "audited")


def test_a_row_that_was_changed_in_the_database_is_named(plain: System) -> None:
    assert plain.cli("audit", "verify").returncode == 0
    with closing(sqlite3.connect(plain.home / "db.sqlite3", timeout=30)) as database:
        (trigger,) = database.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'audit_rows_do_not_change'"
        ).fetchone()
        (actor,) = database.execute("SELECT actor FROM audit_auditrow WHERE sequence = 1").fetchone()
        change = "DROP TRIGGER audit_rows_do_not_change; UPDATE audit_auditrow SET actor = '{}' WHERE sequence = 1; {};"
        try:
            database.executescript(change.format("eve", trigger))
            for command in (("audit", "verify"), ("manage", "verify_audit")):
                found = plain.cli(*command)
                assert found.returncode == 1
                assert "The audit log does not verify. Row 1 was changed" in found.stdout + found.stderr
        finally:
            database.executescript(change.format(actor, trigger))
    assert plain.cli("audit", "verify").returncode == 0
