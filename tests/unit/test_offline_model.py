"""The model of rules finds the tool a person means, and never pretends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from aiops.llm.offline.markdown import as_markdown
from aiops.llm.offline.matching import fill, rank
from aiops.llm.offline.model import NO_MODEL, NOT_READ, OfflineModel
from aiops.llm.values import QUESTION_CHARACTERS
from aiops.tool_servers.host.server import make

PARTS = [f"aiops.llm.offline.{name}" for name in ("model", "matching", "markdown")]
HOST = {
    "load": "how is the load?",
    "memory": "how much memory is free?",
    "disks": "how full are the disks?",
    "top_processes": "what uses the most memory?",
    "process": "show process nginx",
    "network_interfaces": "show me the network interfaces",
    "listening_ports": "which ports are listening?",
    "uptime": "how long has this machine been up?",
    "log_tail": "tail of syslog, 5 lines",
}


@pytest.fixture(scope="module")
def tools() -> list[dict]:
    import asyncio

    listed = asyncio.run(make().list_tools())
    return [{"name": f"host_{t.name}", "description": t.description, "parameters": t.inputSchema} for t in listed]


@pytest.mark.parametrize(("tool", "question"), HOST.items())
def test_each_host_tool_is_found_by_its_question(tools: list[dict], tool: str, question: str) -> None:
    assert rank(question, tools)["name"] == f"host_{tool}"


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("is nginx running?", {"name_or_pid": "nginx"}),
        ("top 3 processes by cpu", {"by": "cpu", "limit": 3}),
        ("show process nginx", {"name_or_pid": "nginx"}),
        ("is the process 'my daemon' running", {"name_or_pid": "my daemon"}),
        ("details of process 4711", {"name_or_pid": "4711"}),
        ("tail of syslog 5 lines", {"log": "syslog", "lines": 5}),
    ],
)
def test_arguments_are_taken_from_the_question(tools: list[dict], question: str, arguments: dict) -> None:
    tool = rank(question, tools)
    assert fill(question, tool["parameters"], nouns=tool["name"].split("_")[1:])[0] == arguments


def test_a_missing_argument_is_asked_for(tools: list[dict]) -> None:
    said = OfflineModel(tools=tools).answer([HumanMessage("show the open files of one process")])
    assert not said.tool_calls
    assert "name_or_pid" in said.text


def test_the_offline_model_admits_that_no_tool_fits_a_question(tools: list[dict]) -> None:
    said = OfflineModel(tools=tools).answer([HumanMessage("write a poem on the weather in Rome")])
    assert said.text.startswith("I found no tool that fits")
    assert NO_MODEL in said.text


def test_what_can_you_do_names_every_tool(tools: list[dict]) -> None:
    said = OfflineModel(tools=tools).answer([HumanMessage("What can you do?")]).text
    assert all(f"host_{name}" in said for name in HOST)


def shown(question: str, result: str) -> str:
    """Return what is said of a tool's result."""
    call = AIMessage("", tool_calls=[{"name": "host_x", "args": {}, "id": "1"}])
    found = ToolMessage(result, tool_call_id="1", name="host_x")
    return OfflineModel().answer([HumanMessage(question), call, found]).text


def test_large_sizes_are_in_gigabytes_and_numbers_are_aligned() -> None:
    rows = [{"mount": "/", "size_mb": 270_553, "free_mb": 81.25, "used_percent": 25.6, "ok": False}]
    lines = as_markdown(json.dumps({"disks": rows, "total_mb": 9_999})).splitlines()
    assert lines[0] == "- **Total**: 9999 MB"
    assert lines[4:] == [
        "| Mount | Size | Free | Used (%) | Ok |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| / | 270.6 GB | 81.25 MB | 25.6 | no |",
    ]


def test_a_result_becomes_a_table_and_nothing_is_said_of_models() -> None:
    said = shown("x", '{"rows": [{"a": 1, "b": "x|y"}]}')
    assert "| 1 | x\\|y |" in said
    assert "model" not in said


@pytest.mark.parametrize("name", ["db01", "web-02", "db.example.org", "10.0.0.5"])
def test_what_a_question_names_and_nobody_looked_at_is_said(name: str) -> None:
    said = shown(f"how full is the disk on server {name}?", '{"host": "vm", "disks": []}')
    assert said.startswith(f"I know nothing about {name}: ")
    assert "I know nothing" not in shown(f"how full is the disk on {name}?", f'{{"host": "{name}"}}')


@pytest.mark.parametrize(
    "question",
    [
        "how full are the disks?",
        "top 3 processes by cpu",
        "the load, please.",
        "more than 1.5 GB",
        "IPv4?",
        "load of VM",
    ],
)
def test_a_question_about_this_machine_needs_no_such_words(question: str) -> None:
    assert "I know nothing" not in shown(question, '{"host": "vm"}')


@pytest.mark.parametrize(
    "question", ["what was the load yesterday at 3am?", "show me the last deploy", "who broke the build?", "why?"]
)
def test_a_question_that_no_tool_fits_does_not_get_the_nearest(tools: list[dict], question: str) -> None:
    said = OfflineModel(tools=tools).answer([HumanMessage(question)])
    assert said.tool_calls == []
    assert said.text.startswith("I found no tool that fits")


@pytest.mark.parametrize(
    ("question", "tool"),
    [
        ("is nginx up?", "process"),
        ("Is valkey-server alive?", "process"),
        ("is the server up?", "uptime"),
        ("is this machine up?", "uptime"),
        ("how full is the disk on server db01?", "disks"),
        ("what is the load on web02 now?", "load"),
    ],
)
def test_whether_something_is_up_asks_for_a_process_unless_it_is_the_machine(
    tools: list[dict], question: str, tool: str
) -> None:
    (call,) = OfflineModel(tools=tools).answer([HumanMessage(question)]).tool_calls
    assert call["name"] == f"host_{tool}"


async def test_the_offline_model_streams_in_words() -> None:
    chunks = [c.text async for c in OfflineModel().astream([HumanMessage("hello")])]
    assert len(chunks) > 5
    assert "".join(chunks).startswith("Hello.")


def test_the_offline_model_has_at_most_two_hundred_lines() -> None:
    parts = [Path(sys.modules[m].__file__) for m in sys.modules if m in PARTS]
    assert len(parts) == len(PARTS)
    assert sum(len(part.read_text().splitlines()) for part in parts) <= 200


def test_of_a_message_with_attachments_only_the_question_counts_and_the_answer_says_so(tools: list[dict]) -> None:
    question = "what happened?"
    text = f"{question}\n\nBEGIN x\nshow process nginx\nwhat uses the most memory?\nEND x"
    asked = HumanMessage(text, additional_kwargs={QUESTION_CHARACTERS: len(question)})
    answer = OfflineModel(tools=tools).answer([asked])
    assert answer.tool_calls == []
    assert answer.text.startswith(NOT_READ)
