"""``aiops secrets`` as a stranger types it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.system import System


def test_a_secret_is_added_listed_checked_changed_and_removed(plain: System) -> None:
    made = plain.cli("secrets", "add", "terminal", input="canary-of-the-terminal\n")
    assert (made.returncode, made.stdout) == (0, "terminal\tstored\n"), made.stderr
    listed = plain.cli("secrets", "list").stdout
    assert "terminal" in listed
    assert "canary" not in listed + plain.cli("secrets", "show", "terminal", "--json").stdout
    good = plain.cli("secrets", "check", "terminal")
    assert (good.returncode, good.stdout) == (0, "A worker can read it.\n"), good.stderr
    assert plain.cli("secrets", "set", "terminal", input="another").stdout == "terminal\tchanged\n"
    absent = plain.cli("secrets", "add", "absent", "--env", "AIOPS_SECRET_ABSENT")
    assert absent.returncode == 0, absent.stderr
    bad = plain.cli("secrets", "check", "absent")
    assert bad.returncode == 1
    assert "AIOPS_SECRET_ABSENT is not set for the workers" in bad.stdout
    refused = plain.cli("secrets", "add", "x", "--env", "PATH")
    assert refused.returncode != 0
    assert "AIOPS_SECRET_" in refused.stderr
    assert "Give one of" in plain.cli("secrets", "add", "x", "--env", "A", "--file", "b").stderr
    assert "There is no secret 'none'" in plain.cli("secrets", "check", "none").stderr
    for name in ("terminal", "absent"):
        assert plain.cli("secrets", "remove", name).stdout == f"{name}\tdeleted\n"


def test_an_export_has_no_value_and_is_imported_again(plain: System, tmp_path: Path) -> None:
    plain.cli("secrets", "add", "placed", "--env", "AIOPS_SECRET_PLACED")
    plain.cli("secrets", "add", "valued", input="canary-of-the-export")
    exported = plain.cli("secrets", "export").stdout
    assert "canary" not in exported
    rows = {row["name"]: row for row in json.loads(exported)}
    assert (rows["placed"]["reference"], rows["valued"]["kind"]) == ("AIOPS_SECRET_PLACED", "stored")
    assert plain.cli("secrets", "remove", "placed").returncode == 0
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps([rows["placed"], rows["valued"]]))
    assert plain.cli("secrets", "import", str(file)).stdout == "1 added, 0 changed, 1 unchanged\n"
    assert plain.cli("secrets", "check", "valued").returncode == 0, "its value is still there"
    plain.cli("secrets", "remove", "valued")
    refused = plain.cli("secrets", "import", str(file))
    assert (refused.returncode != 0, "value" in refused.stderr) == (True, True), refused.stderr
    plain.cli("secrets", "remove", "placed")


def test_a_tool_server_uses_a_secret_that_a_worker_reads(plain: System) -> None:
    plain.cli("secrets", "add", "shared", input="canary-shared-with-a-tool")
    made = plain.cli(
        "tools", "add", "shouting", "--env", "TOKEN=secret:shared", "--", "/bin/sh", "-c", "echo $TOKEN >&2; exit 1"
    )
    assert made.returncode == 0, made.stderr
    plain.cli("tools", "check")
    shown = ""
    while "|" not in shown:
        shown = plain.cli("tools", "show", "shouting").stdout
    assert "[hidden]" in shown
    assert "canary" not in shown
    in_use = plain.cli("secrets", "remove", "shared")
    assert in_use.returncode != 0
    assert "the tool server shouting" in in_use.stderr
    assert plain.cli("tools", "remove", "shouting").returncode == 0
    assert plain.cli("secrets", "remove", "shared").returncode == 0
