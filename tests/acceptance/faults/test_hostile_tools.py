"""Runs that call hostile tool servers, which are also killed at random: all end and say what failed, nothing stays."""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiops.tool_servers.client.listing import name_for_models
from aiops.tool_servers.client.transport import INHERITED
from tests.acceptance.deciding import let_call
from tests.acceptance.faults.hostile import storm
from tests.acceptance.faults.hostile.storm import Kept, Killer, Plan
from tests.acceptance.faults.hostile.tools import CALLED, TOOLS, WRITING
from tests.acceptance.migrated import migrated
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, eventually

RUNS = 20
SEED = 7
COMMANDS, SERVERS = ("anvil", "bolt"), ("cable", "drum")
"""Over standard streams, and over HTTP."""
WARY = "ewer"
"""A command whose tools an administrator accepts one by one."""
WITHIN_S = 240
CANARY = "canary-hostile-93ab-do-not-show"
LIMITS = {
    "AIOPS_TOOL_TIMEOUT_S": "3",
    "AIOPS_TOOL_PROGRESS_S": "20",
    "AIOPS_MAX_TOOL_RESULT_BYTES": "1000",
    "AIOPS_CONTEXT_TOKENS": "100000",
    "AIOPS_WORKERS": "2",
}
FAILING = {
    "crash": "lost during the call",
    "crash-reading": "lost during the call",
    "never": "did not answer within 3 s",
    "huge": "more than 2,000,000 bytes",
}
"""Tools that never succeed, with what is said of one of their calls at least."""
ANSWERS = {"ask": "refused", "garbled": "up� �  [image: x]"}
"""What is shown of tools' results; others say what was done."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_GROWTH_BYTES = 150_000_000
"""Of one worker: far less than the results that it was sent, each of 50 MB."""
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|!\[|<img")
PATH = "/api/mcp-servers/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def kept(folder: Path) -> Iterator[dict[str, Kept]]:
    made = {name: Kept(name, folder) for name in SERVERS}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def beset(model: ModelServer, folder: Path, kept: dict[str, Kept]) -> Iterator[System]:
    """A system with all hostile servers; the tools of all but one are accepted as they are."""
    settings = {"LLM_TYPE": "OpenAI", "LLM_MODEL": "scripted", "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": CANARY}
    system = System(migrated(folder / "home"), **settings, **LIMITS, AIOPS_SECRET_CANARY=CANARY).start()
    with system.client() as client:
        for name in (*COMMANDS, WARY, *SERVERS):
            row = {"name": name, "status": "healthy", "accept_tools": name != WARY}
            if name in kept:
                row |= {"protocol": "http", "url": kept[name].url}
            else:
                command = ["-m", storm.MODULE, name, str(folder)]
                row |= {"protocol": "stdio", "command": sys.executable, "args": command, "cwd": str(storm.ROOT)}
            answer = client.post(PATH, json=row)
            assert answer.status_code == 201, answer.text
            let_call(system, name)
        waiting = eventually(lambda: tools_of(system, WARY, "pending"), within_s=60, what="the list of the wary one")
        pins = [{"id": one["id"], "pin": one["offered_pin"]} for one in waiting if one["name"] in TOOLS]
        assert client.post("/api/tools/accept/", json=pins).status_code == 200
    yield system
    assert system.stop() == 0, "".join(system.output)
    assert storm.processes(folder) == []


@pytest.fixture
def settled(beset: System, folder: Path, kept: dict[str, Kept]) -> None:
    """Every server is held by every worker once, and by nobody else."""
    settle(beset, folder, kept)


def settle(system: System, folder: Path, kept: dict[str, Kept]) -> None:
    def is_held() -> bool:
        pools = len(system.processes("-Q runs")) + len(system.processes("-Q batch"))
        held = len(storm.processes(folder)) == pools * len((*COMMANDS, WARY))
        return held and sessions(kept) == {pools}

    eventually(is_held, within_s=90, what="one process and one session for each worker")


def tools_of(system: System, server: str, status: str) -> list[dict[str, Any]]:
    with system.client() as client:
        found = client.get("/api/tools/", params={"server": server, "status": status, "limit": 100})
    assert found.status_code == 200, found.text
    return list(found.json()["results"])


def sessions(kept: dict[str, Kept]) -> set[int]:
    """Return how many sessions are open at each server over HTTP."""
    return {one.sessions() for one in kept.values()}


def memory(system: System) -> dict[int, int]:
    return {one.pid: one.memory_info().rss for one in system.processes("-Q runs")}


def ask(system: System, plan: Plan) -> str:
    calls = [(name_for_models(server, tool), {"key": key}) for server, tool, key in plan]
    return str(system.ask("call", {"calls": calls, "id": plan[0][2]})["run"]["id"])


def assert_honest(system: System, run: dict[str, Any], plan: Plan) -> None:
    """Each call is a step with a final status, and each failure is named with its reason."""
    assert run["state"] == "succeeded", run
    steps = run["steps"]
    assert [step["arguments"]["key"] for step in steps] == [key for *_, key in plan]
    for (server, tool, _), step in zip(plan, steps, strict=True):
        assert step["tool"] in (tool, name_for_models(server, tool))  # the second: it was not offered
        assert step["status"] in ("ok", "error"), step
        assert step["preview"], step
        assert not UNSAFE.search(step["preview"]), step
        assert "canary" not in step["preview"], step
    last = {(step["server"], step["tool"]): step["status"] for step in steps}
    notices = " ".join(one["text"] for one in run["notices"])
    failed = [" · ".join(filter(None, which)) for which, status in last.items() if status == "error"]
    assert [which for which in failed if which not in notices] == []
    kinds = Counter(event.event for event in system.events(run["id"]))
    assert (kinds["tool.started"], kinds["tool.finished"], kinds["run.succeeded"]) == (len(plan), len(plan), 1)


@pytest.mark.timeout(WITHIN_S * 2)
@pytest.mark.usefixtures("settled")
def test_runs_that_call_hostile_servers_end_honestly_and_leave_nothing(
    beset: System, model: ModelServer, folder: Path, kept: dict[str, Kept]
) -> None:
    chance = random.Random(SEED)
    before = memory(beset)
    plans = [storm.plan(n, [*COMMANDS, WARY, *SERVERS], chance) for n in range(RUNS)]
    with Killer(folder, list(kept.values()), chance) as killer:
        runs = [ask(beset, plan) for plan in plans]
        ended = [beset.ended(run, within_s=WITHIN_S) for run in runs]
    assert killer.killed > RUNS / 2
    for run, plan in zip(ended, plans, strict=True):
        assert_honest(beset, run, plan)
    steps = [step for run in ended for step in run["steps"]]
    answered = {step["tool"]: step["preview"] for step in steps if step["status"] == "ok"}
    assert answered == {tool: ANSWERS.get(tool, f"done {tool}") for tool in TOOLS if tool not in FAILING}
    for tool, words in FAILING.items():
        assert any(words in step["preview"] for step in steps if step["tool"] == tool), tool
    made = Counter((folder / CALLED).read_text().splitlines())
    assert [call for call, count in made.items() if call.split()[0] in WRITING and count > 1] == []
    grown = {pid: size - before[pid] for pid, size in memory(beset).items()}
    assert {pid: size for pid, size in grown.items() if size > MAX_GROWTH_BYTES} == {}
    settle(beset, folder, kept)


@pytest.mark.usefixtures("settled")
def test_a_server_that_changes_what_a_tool_is_has_to_wait_for_an_administrator(beset: System) -> None:
    changed = beset.ended(ask(beset, [(WARY, "shift", "s1")]), within_s=60)
    assert [step["status"] for step in changed["steps"]] == ["ok"], changed

    def withheld() -> list[str]:
        run = beset.ended(ask(beset, [(WARY, "look", "s2")]), within_s=60)
        return [one["text"] for one in run["notices"] if one["code"] == "tools_withheld"]

    eventually(lambda: f"{WARY}_look" in " ".join(withheld()), within_s=60, what="the notice that names it")


@pytest.mark.usefixtures("settled")
def test_a_model_gets_only_names_and_descriptions_that_are_safe(beset: System, model: ModelServer) -> None:
    beset.ended(ask(beset, [("anvil", "look", "m1")]))
    offered = [one["function"] for one in model.asked[-1]["tools"]]
    names = [one["name"] for one in offered]
    assert {name_for_models(server, "a.b") for server in (*COMMANDS, *SERVERS)} <= set(names)
    assert len(names) == len(set(names))
    assert [name for name in names if not NAME.fullmatch(name) or name.endswith("_nul")] == []
    assert [one["name"] for one in offered if UNSAFE.search(one["description"])] == []


def test_a_command_gets_no_secret_of_its_worker(beset: System, folder: Path) -> None:
    seen = {path: json.loads(path.read_text()) for path in folder.glob("environment-*")}
    commands = {path.name: values for path, values in seen.items() if path.name.split("-")[1] not in SERVERS}
    assert {name.split("-")[1] for name in commands} == {*COMMANDS, WARY}
    given = {name for values in commands.values() for name in values}
    assert given <= {*INHERITED, "LC_CTYPE"}  # the last: Python sets it in its own process
    assert CANARY not in json.dumps(commands)


def test_nothing_is_left_of_servers_that_are_taken_out_of_service(
    beset: System, folder: Path, kept: dict[str, Kept]
) -> None:
    with beset.client() as client:
        for row in client.get(PATH).json()["results"]:
            if row["name"] != "host":
                assert client.patch(f"{PATH}{row['id']}/", json={"status": "maintenance"}).status_code == 200
    eventually(lambda: storm.processes(folder) == [], within_s=60, what="the end of every command")
    eventually(lambda: sessions(kept) == {0}, within_s=60, what="the end of every session")
