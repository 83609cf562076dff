"""The command line as a stranger meets it: answers, errors, Ctrl-C, and what each start tells.

More than 250 lines: one promise per command, on one running system.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import uuid
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.system import BIN, System, eventually, exit_code


def test_a_question_is_answered_in_plain_text_when_piped(system: System) -> None:
    done = system.cli("chat", 'tell DO {"words": 4, "call": "host_uptime", "id": "' + uuid.uuid4().hex + '"}')
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("w0 w1 w2 w3\n")
    assert "\x1b" not in done.stdout
    assert "→ host · uptime {}" in done.stderr
    assert "✓ host · uptime" in done.stderr
    assert "'absent' is missing" in done.stderr


def test_a_question_can_be_piped_in_and_the_run_come_out_as_json(system: System) -> None:
    done = system.cli("chat", "--json", input='tell DO {"words": 2}')
    run = json.loads(done.stdout)
    assert (run["state"], run["answer"]) == ("succeeded", "w0 w1")
    more = system.cli("chat", "again", "--conversation", run["conversation"], "--json")
    assert json.loads(more.stdout)["conversation"] == run["conversation"]


def test_a_log_that_is_piped_in_goes_along_and_what_does_not_fit_is_reported(system: System) -> None:
    log = "".join(f"line {number:06d}: eth0 is down\n" for number in range(20_000))
    done = system.cli("chat", 'what happened? DO {"words": 2}', "--json", input=log)
    run = json.loads(done.stdout)
    assert (run["state"], run["answer"]) == ("succeeded", "w0 w1"), done.stderr
    assert "aiops: standard input has 520,000 bytes" in done.stderr
    assert [notice["text"][:10] for notice in run["notices"] if notice["code"] == "attachment_cut"] == ["stdin has "]
    with system.client() as client:
        message = client.get(f"/api/conversations/{run['conversation']}/messages/").json()["results"][0]
    assert message["text"] == 'what happened? DO {"words": 2}'
    assert [attached["name"] for attached in message["attachments"]] == ["stdin"]
    more = system.cli("chat", 'and now? DO {"words": 1}', "--conversation", run["conversation"], input="")
    assert more.stdout == "w0\n"


def test_a_failed_run_says_why_and_exits_with_one(system: System) -> None:
    done = system.cli("chat", 'x DO {"fail": [401]}')
    assert done.returncode == 1
    assert "The run failed:" in done.stderr
    assert "OPENAI_API_KEY" in done.stderr


def test_ctrl_c_stops_the_run_on_the_server(system: System) -> None:
    command = [str(BIN / "aiops"), "chat", f'{uuid.uuid4().hex} DO {{"words": 100, "pause": 0.05}}']
    asking = subprocess.Popen(command, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    assert asking.stdout.read(3) == "w0 "
    asking.send_signal(signal.SIGINT)
    _, said = asking.communicate(timeout=20)
    assert asking.returncode == 130
    assert "The run is cancelled." in said


def test_chat_without_a_message_is_a_dialogue(system: System) -> None:
    main, side = pty.openpty()
    env = {**system.env, "TERM": "xterm"}
    talking = subprocess.Popen([str(BIN / "aiops"), "chat"], env=env, stdin=side, stdout=side, stderr=side)
    os.close(side)
    os.set_blocking(main, False)
    seen = ""

    def shows(text: str) -> bool:
        nonlocal seen
        with contextlib.suppress(BlockingIOError, OSError):
            seen += os.read(main, 65_536).decode(errors="replace")
        return text in seen

    eventually(lambda: shows("you ›"), what="the prompt")
    os.write(main, b'hello DO {"words": 3}\r')
    eventually(lambda: shows("w0 w1 w2"), what="the answer")
    seen = ""
    eventually(lambda: shows("you ›"), what="the next prompt")
    os.write(main, b"\x04")
    assert exit_code(talking) == 0
    os.close(main)


def test_runs_are_listed_shown_followed_and_cancelled(system: System) -> None:
    run_id = system.ask("tell", {"words": 3})["run"]["id"]
    system.ended(run_id)
    assert run_id in system.cli("runs", "list").stdout
    assert json.loads(system.cli("runs", "list", "--json", "--limit", "1").stdout)
    shown = system.cli("runs", "show", run_id).stdout
    assert "state         succeeded" in shown
    assert "because       default" in shown
    assert re.search(r"tokens        \d+ in, \d+ out", shown)
    assert shown.endswith("w0 w1 w2\n")
    assert system.cli("runs", "follow", run_id).stdout == "w0 w1 w2\n"
    refused = system.cli("runs", "cancel", run_id)
    assert (refused.returncode, "has ended already" in refused.stderr) == (1, True)
    long = system.ask("tell", {"words": 200, "pause": 0.05})["run"]["id"]
    assert system.cli("runs", "cancel", long).returncode == 0
    assert system.ended(long)["state"] == "cancelled"
    assert system.cli("runs", "show", str(uuid.uuid4())).returncode == 1


def test_the_state_of_runs_fits_an_ordinary_terminal(system: System) -> None:
    run_id = system.ask("tell", {"words": 100})["run"]["id"]
    system.ended(run_id)
    main, side = pty.openpty()
    env = {**system.env, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run([str(BIN / "aiops"), "runs", "list", "--limit", "1"], env=env, stdout=side, timeout=30)
    os.close(side)
    shown = os.read(main, 65_536).decode()
    os.close(main)
    assert done.returncode == 0
    assert run_id in shown
    assert "succeeded" in shown
    assert "tell" in shown


def test_doctor_finds_every_part_and_names_what_is_down(system: System) -> None:
    done = system.cli("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in (
        "web",
        "database",
        "redis",
        "queue runs",
        "queue upkeep",
        "beat",
        "model",
        "tools host",
        "disk",
        "open files",
        "clock",
    ):
        assert f"ok    {part}" in done.stdout, done.stdout
    assert "warn  tools absent" in done.stdout
    found = {f["part"]: f for f in json.loads(system.cli("doctor", "--json").stdout)}
    assert found["tools absent"]["cure"]


def test_doctor_fails_with_the_cure_when_parts_are_down(system: System) -> None:
    env = {"REDIS_URL": "redis://127.0.0.1:1/0", "LLM_TYPE": "nobody", "DATABASE_URL": "postgres://x@127.0.0.1:1/x"}
    env["AIOPS_URL"] = "http://127.0.0.1:1"
    done = system.cli("doctor", env=env)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    for part in ("database", "redis", "queue runs", "model"):
        assert f"DOWN  {part}" in done.stdout, done.stdout
    assert done.stdout.count("→") >= 4
    assert "Connection refused" in next(line for line in done.stdout.splitlines() if "DOWN  database" in line)


def test_doctor_names_the_servers_model_and_tool_servers_from_a_shell_without_its_variables(system: System) -> None:
    shell = {"PATH": system.env["PATH"], "AIOPS_HOME": str(system.home)}
    done = subprocess.run(
        [str(BIN / "aiops"), "doctor", "--json"], env=shell, cwd=system.home.parent, capture_output=True, text=True
    )
    found = {f["part"]: f for f in json.loads(done.stdout)}
    assert "scripted (openai)" in found["model"]["seen"], done.stdout
    assert "as the server says" in found["tools absent"]["seen"]
    assert "database here" not in found


def test_a_reader_that_goes_away_ends_quietly(system: System) -> None:
    system.ended(system.ask("tell", {})["run"]["id"])
    done = subprocess.run(
        f"{BIN / 'aiops'} runs list --json | head -c 20; {BIN / 'aiops'} runs list > /dev/full",
        shell=True, env=system.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert "No space left on device" in done.stderr


def test_a_command_without_a_server_names_the_cure(tmp_path: Path) -> None:
    nowhere = System(tmp_path / "none")
    nowhere.home.parent.mkdir(exist_ok=True)
    done = nowhere.cli("chat", "hello")
    assert done.returncode == 1
    assert "start one with `aiops up`" in done.stderr
    done = nowhere.cli("chat", "hello", "--url", "http://127.0.0.1:1", env={"AIOPS_TOKEN": "x"})
    assert done.returncode == 1
    assert "is `aiops up` running?" in done.stderr
    assert "Traceback" not in done.stderr


# starting


def start(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    home.parent.mkdir(exist_ok=True, parents=True)
    return System(home).cli("up", *arguments, env=env)


def assert_one_sentence(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    for part in parts:
        assert part in lines[0]


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_sentence(start(tmp_path / "h", "--port", str(port)), f"Port {port}", "in use", "--port")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/1/mem").exists(), reason="needs /proc")
def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    assert_one_sentence(start(Path("/proc/1/aiops")), "cannot be written", "--home")


def test_a_home_in_use_is_one_sentence(system: System) -> None:
    assert_one_sentence(system.cli("up", "--port", "1"), "already running", "--home")


def test_a_damaged_database_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "h"
    home.mkdir()
    (home / "db.sqlite3").write_bytes(b"this is no database at all" * 100)
    assert_one_sentence(start(home), "is damaged", "restore a backup")


def test_a_damaged_memory_store_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "h" / "valkey" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("nonsense\n")
    assert_one_sentence(start(tmp_path / "h"), "Invalid AOF manifest", "restore a backup", "move that folder away")


def test_every_wrong_variable_is_reported_at_once(tmp_path: Path) -> None:
    done = start(tmp_path / "h", AIOPS_LEASE_S="soon", REDIS_URL="http://x", AIOPS_TYPO="1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name in ("AIOPS_LEASE_S", "REDIS_URL", "AIOPS_TYPO"):
        assert name in done.stderr


def test_the_first_password_is_shown_even_when_the_first_start_was_interrupted(tmp_path: Path) -> None:
    system = System(tmp_path / "h", AIOPS_WORKERS="1")
    command = [str(BIN / "aiops"), "up", "--port", str(system.port)]
    tmp_path.mkdir(exist_ok=True)
    first = subprocess.Popen(command, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually((system.home / "first_password").exists, within_s=20, what="the administrator")
    first.send_signal(signal.SIGINT)
    said = "".join(first.communicate(timeout=15))
    assert "Traceback" not in said
    assert "shown this once" not in said
    system.start()
    assert any("admin / " in line and "shown this once" in line for line in system.output)
    assert not (system.home / "first_password").exists()
    assert system.stop() == 0


def test_what_a_script_started_in_the_background_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    system = System(tmp_path / "h", AIOPS_WORKERS="1")
    command = [str(BIN / "aiops"), "up", "--port", str(system.port)]
    ignored = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    started = subprocess.Popen(command, env=system.env, stdout=subprocess.DEVNULL, preexec_fn=ignored)
    eventually((system.home / "first_password").exists, within_s=20, what="the administrator")
    started.send_signal(signal.SIGINT)
    assert exit_code(started) == 0


def test_everything_that_is_written_belongs_to_its_owner_alone(system: System) -> None:
    for path in system.home.rglob("*"):
        if not path.is_symlink():
            assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


def test_only_lab_takes_its_model_from_the_environment(tmp_path: Path) -> None:
    system = System(tmp_path / "h", AIOPS_ENVIRONMENT="PROD", AIOPS_WORKERS="1", AIOPS_MAX_TOOL_CALLS="2").start()
    try:
        with system.client() as client:
            answer = client.post("/api/chat/", json={"message": "hello"})
        assert (answer.status_code, answer.json()["code"]) == (409, "no_default_model")
        done = system.cli("doctor")
        assert done.returncode == 1
        assert "DOWN  model" in done.stdout
    finally:
        assert system.stop() == 0
