"""Servers that others wrote, used by a running system, killed in their calls and between them, and let go."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.deciding import let_call
from tests.acceptance.migrated import migrated
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, eventually
from tests.ports import free_port
from tests.processes import running
from tests.wire import node_servers, python_servers

PATH = "/api/mcp-servers/"
LONG = "trigger-long-running-operation"
LONG_S = 60.0
SILENT_S = "120"
"""After which a call is given up that says nothing."""
SOON_S = 30.0
COMMANDS = {"clock": "time", "repo": "git", "all": "everything"}
WEB = "web"
CALLS = (
    ("clock", "get_current_time", {"timezone": "Asia/Tokyo"}),
    ("clock", "convert_time", {"source_timezone": "Asia/Tokyo", "time": "08:30", "target_timezone": "Etc/UTC"}),
    ("repo", "git_status", {"repo_path": "TREE"}),
    ("repo", "git_log", {"repo_path": "TREE"}),
    ("all", "echo", {"message": "größe"}),
    ("all", "get-sum", {"a": 1, "b": 2}),
    (WEB, "echo", {"message": "größe"}),
    (WEB, "get-tiny-image", {}),
)


class Everything:
    """server-everything over streamable HTTP."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/mcp"
        self.start()

    def start(self) -> None:
        env = {"PATH": os.environ["PATH"], "PORT": str(self._port)}
        command = [*node_servers.everything().command, "streamableHttp"]
        output = (self._folder / "everything.log").open("ab")
        with output:
            self._process = subprocess.Popen(command, env=env, stdout=output, stderr=output)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands run, by which they are found."""
    return tmp_path_factory.mktemp("theirs")


@pytest.fixture(scope="module")
def everything(folder: Path) -> Iterator[Everything]:
    made = Everything(folder)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    server = ModelServer(free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def system(
    model: ModelServer, everything: Everything, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A system that has accepted all tools of the servers, each as it was listed."""
    made = {"time": python_servers.time(), "git": python_servers.git(folder), "everything": node_servers.everything()}
    settings = {"LLM_TYPE": "OpenAI", "LLM_MODEL": "scripted", "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "x"}
    settings |= {"AIOPS_WORKERS": "1", "AIOPS_TOOL_TIMEOUT_S": SILENT_S}
    started = System(migrated(tmp_path_factory.mktemp("losses") / "home"), **settings).start()
    try:
        with started.client() as client:
            rows: list[dict[str, Any]] = [{"name": WEB, "protocol": "http", "url": everything.url}]
            for name, what in COMMANDS.items():
                command, *args = made[what].command
                row = {"name": name, "protocol": "stdio", "command": command, "args": args, "cwd": str(folder)}
                rows.append({**row, "env": dict(made[what].env)})
            answer = client.post(PATH, json=[{**row, "status": "healthy", "handshake_s": 30} for row in rows])
            assert answer.status_code == 201, answer.text
            client.post(f"{PATH}check/")
            for name in (*COMMANDS, WEB):
                accept(started, name)
                let_call(started, name)
        yield started
    finally:
        assert started.stop() == 0, "".join(started.output)
    assert theirs(folder) == []


def accept(system: System, server: str) -> None:
    with system.client() as client:

        def waiting() -> list[dict[str, Any]]:
            query = {"server": server, "status": "pending", "limit": 100}
            return list(client.get("/api/tools/", params=query).json()["results"])

        listed = eventually(waiting, within_s=LONG_S, what=f"the tools of {server}")
        pins = [{"id": one["id"], "pin": one["offered_pin"]} for one in listed if one["offered_pin"]]
        answer = client.post("/api/tools/accept/", json=pins)
        assert answer.status_code == 200, answer.text


def theirs(folder: Path) -> list[psutil.Process]:
    """Return the commands that run, and what they have started."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.cwd() == str(folder):
                found.append(one)
    return running(found)


def ask(system: System, *calls: tuple[str, str, dict[str, Any]]) -> str:
    named = [(f"{server}_{tool}", arguments) for server, tool, arguments in calls]
    return str(system.ask("call", {"calls": named, "id": uuid.uuid4().hex})["run"]["id"])


def answers(system: System, folder: Path) -> list[str]:
    """Return how the calls of a run ended, each to every server."""
    tree = str(folder / "repository")
    calls = [(s, tool, {name: tree if v == "TREE" else v for name, v in given.items()}) for s, tool, given in CALLS]
    steps = system.ended(ask(system, *calls), within_s=LONG_S)["steps"]
    return [step["status"] for step in steps]


def test_servers_that_were_killed_between_calls_answer_again(
    system: System, everything: Everything, folder: Path
) -> None:
    well = ["ok"] * len(CALLS)
    eventually(lambda: answers(system, folder) == well, within_s=LONG_S, what="an answer to every call")
    pools = len(system.processes("-Q runs")) + len(system.processes("-Q batch"))
    for _ in range(2):
        for one in theirs(folder):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        everything.kill()
        everything.start()
        eventually(lambda: answers(system, folder) == well, within_s=LONG_S, what="an answer to every call again")
    held = pools * len(COMMANDS)
    eventually(lambda: len(theirs(folder)) == held, within_s=LONG_S, what="one process of each command for each worker")


@pytest.mark.parametrize("server", ["all", WEB])
def test_a_server_that_is_killed_in_a_call_is_noticed_at_once(
    system: System, everything: Everything, folder: Path, server: str
) -> None:
    eventually(lambda: set(answers(system, folder)) == {"ok"}, within_s=LONG_S, what="an answer to every call")
    run = ask(system, (server, LONG, {"duration": 5, "steps": 20}))
    system.until(run, "tool.progress")
    if server == WEB:
        everything.kill()
        everything.start()
    else:
        for one in theirs(folder):
            with suppress(psutil.NoSuchProcess):
                one.kill()
    ended = system.ended(run, within_s=SOON_S)
    (step,) = ended["steps"]
    assert ended["state"] == "succeeded"
    if step["status"] == "error":  # it only reads: otherwise it was called again
        assert "was lost during the call" in step["preview"]


def test_nothing_is_left_of_servers_that_are_deleted(system: System, folder: Path) -> None:
    with system.client() as client:
        for row in client.get(PATH).json()["results"]:
            if row["name"] != "host":
                assert client.delete(f"{PATH}{row['id']}/").status_code == 204
    eventually(lambda: theirs(folder) == [], within_s=LONG_S, what="the end of every command")
