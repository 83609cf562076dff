"""A home is backed up while it is in use and restored elsewhere; its logs are read as one, and given away redacted."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.acceptance.conftest import CANARY
from tests.acceptance.system import BIN, System, eventually


def test_a_backup_of_a_running_home_is_restored_and_conversations_go_on(plain: System, tmp_path: Path) -> None:
    accepted = plain.ask("hello")
    plain.ended(accepted["run"]["id"])
    archive = tmp_path / "backup.tar.gz"
    made = plain.cli("backup", str(archive))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    home = tmp_path / "restored" / "home"
    restored = plain.cli("restore", str(archive), "--home", str(home))
    assert restored.returncode == 0, restored.stderr
    assert "not empty" in plain.cli("restore", str(archive), "--home", str(home)).stderr
    again = System(home).start()
    try:
        assert again.token == plain.token
        said = again.ask("thanks", conversation=accepted["conversation"])
        run = again.ended(said["run"]["id"])
        assert (run["state"], [notice["code"] for notice in run["notices"]]) == ("succeeded", ["memory_rebuilt"])
        with again.client() as client:
            messages = client.get(f"/api/conversations/{accepted['conversation']}/messages/").json()["results"]
        assert [one["text"] for one in messages][::2] == ["hello", "thanks"]
    finally:
        again.stop()


@pytest.mark.parametrize("damage", ["nothing", "cut", "strange"])
def test_what_is_no_backup_is_refused_and_leaves_nothing(plain: System, tmp_path: Path, damage: str) -> None:
    archive = tmp_path / "backup.tar.gz"
    if damage == "nothing":
        archive.write_bytes(b"")
    elif damage == "cut":
        assert plain.cli("backup", str(archive)).returncode == 0
        archive.write_bytes(archive.read_bytes()[:2_000])
    else:
        (tmp_path / "x").write_text("x")
        with tarfile.open(archive, "w:gz") as written:
            written.add(tmp_path / "x", "../../outside")
    done = plain.cli("restore", str(archive), "--home", str(tmp_path / "home"))
    assert (done.returncode, "not a readable backup" in done.stderr) == (1, True), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("x", "backup.tar.gz")) == []


def test_the_logs_of_all_processes_are_one_and_can_be_followed(plain: System) -> None:
    run_id = plain.ask("hello")["run"]["id"]
    plain.ended(run_id)
    seen = plain.cli("logs", "--id", run_id, "--json").stdout.splitlines()
    lines = [json.loads(line) for line in seen]
    assert "run.ended" in [line["action"] for line in lines]
    assert {line["process"].rstrip("-0123456789") for line in lines} >= {"worker-runs"}
    everything = plain.cli("logs", "--json", "-n", "1000").stdout.splitlines()
    # Valkey's own lines, such as those about a snapshot, have no time that is ours.
    times = [at for line in everything if (at := json.loads(line).get("timestamp", ""))]
    assert times
    assert times == sorted(times)
    assert plain.cli("logs", "--level", "error", "--process", "nobody").stdout == ""
    follower = subprocess.Popen(
        [str(BIN / "aiops"), "logs", "-f", "-n", "0"], env=plain.env, cwd=plain.home.parent, stdout=subprocess.PIPE
    )
    try:
        assert follower.stdout is not None
        os.set_blocking(follower.stdout.fileno(), False)
        asked: list[str] = []
        output = b""

        def followed() -> bool:
            nonlocal output
            asked.append(plain.ask("hello")["run"]["id"])
            plain.ended(asked[-1])
            output += follower.stdout.read() or b""
            return any(f"run={run_id}" in output.decode() for run_id in asked)

        eventually(followed, what="a line of a run that was asked meanwhile")
    finally:
        follower.terminate()
        follower.stdout.close()
        follower.wait(timeout=10)


def test_the_support_bundle_has_what_helps_and_no_secret(system: System, tmp_path: Path) -> None:
    file = tmp_path / "support.tar.gz"
    done = system.cli("support-bundle", str(file))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        texts = {m.name.partition("/")[2]: archive.extractfile(m).read().decode() for m in archive if m.isfile()}  # type: ignore[union-attr]
    assert "celery" in texts["versions.txt"]
    assert json.loads(texts["settings.json"])["openai_api_key"] == "(set)"
    assert json.loads(texts["doctor.json"])
    assert any(name.startswith("logs/worker-runs") for name in texts)
    whole = "".join(texts.values())
    secret_key = (system.home / "secret_key").read_text().strip()
    for secret in (CANARY, "sk-canary-openai-key", secret_key, system.token, "metrics-canary-token"):
        assert secret not in whole
