"""What of a configuration file is imported, refused or referenced, and that no secret of it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiops.errors import Invalid
from aiops.tool_servers.importing import reading
from aiops.tool_servers.importing.drafts import draft
from aiops.tool_servers.importing.names import candidates, mapped
from aiops.tool_servers.importing.variables import Variables
from tests.unit.imported import FINDER, KEY, imported


def server(**fields: Any) -> Any:
    (found,) = imported(json.dumps({"mcpServers": {"s": fields}})).values()
    return found


IN_ARGS = "args has what looks like a secret"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "it needs either a command or a url"),
        ({"command": "a", "url": "https://x.org"}, "it needs either a command or a url"),
        ({"type": "websocket", "url": "https://x.org"}, "aiops has no type websocket"),
        ({"url": "https://x.org", "serverUrl": "https://y.org"}, "url is given twice"),
        ({"command": ["npx"]}, "command is not a text"),
        ({"command": "a", "args": "b"}, "args is not a list"),
        ({"command": "a", "args": [{}]}, "args has a value that is not a text"),
        ({"command": "a", "args": ["x" * 1_001]}, "args has a text of 1001 characters"),
        ({"command": "a" * 1_001}, "command has a text of 1001 characters"),
        ({"command": "a", "args": ["x"] * 51}, "args has 51 entries"),
        ({"command": "a", "env": {str(n): "x" for n in range(51)}}, "env has 51 entries"),
        ({"command": "a", "args": ["nul \0"]}, "it has a text that cannot be stored: It has a NUL"),
        ({"command": "a", "env": {"A": {"B": {"C": {"D": {"E": "F"}}}}}}, "it is nested too deep"),
        ({"command": "a", "env": []}, "env is not an object"),
        ({"command": "a", "env": {"A": True}}, "env.A has a value that is not a text"),
        ({"command": "a", "disabled": "yes"}, "disabled is not true or false"),
        ({"command": "a", "oauth": {}}, "there is no field oauth in aiops"),
        ({"command": "a", "args": ["--api-key", "canary"]}, IN_ARGS),
        ({"command": "a", "args": ["--api-key=canary"]}, IN_ARGS),
        ({"command": "a", "args": ["-e", "API_TOKEN=canary"]}, IN_ARGS),
        ({"command": "a", "args": ["--header", "Authorization: Bearer canary"]}, IN_ARGS),
        ({"command": "a", "args": ["--header", "X-Api-Key:canary"]}, IN_ARGS),
        ({"command": "a", "args": [KEY]}, IN_ARGS),
        ({"command": "a", "args": ["canary-that-is-configured"]}, IN_ARGS),
        ({"command": "a", "args": ["c4n4ry" * 6]}, IN_ARGS),
        ({"command": "a", "args": ["postgres://u:canary@x.org/db"]}, IN_ARGS),
        ({"command": "a", "args": ["https://x.org/?tavilyApiKey=canary"]}, IN_ARGS),
        ({"url": "https://x.org/?api_key=canary"}, "url has what looks like a secret"),
        ({"url": "https://u:canary@x.org/"}, "url has what looks like a secret"),
        ({"url": "https://canary@x.org/"}, "url has what looks like a secret"),
        ({"url": "https://x.org/s/" + "c4n4ry" * 6 + "/mcp"}, "url has what looks like a secret"),
        ({"url": "https://u:can#ary@x.org/"}, "its url cannot be read"),
        ({"url": "https://x.org/${KEY}"}, "url has a reference"),
        ({"command": "a", "cwd": "${userHome}/x"}, "cwd has a reference"),
        ({"command": "a", "env": {"A": "${input:"}}, "env.A has a reference that cannot be read"),
        ({"command": "a", "env": {"A": "$env:HOME"}}, "env.A has a reference that cannot be read"),
        ({"command": "a", "env": {"A": "${workspaceFolder}"}}, "env.A: ${workspaceFolder} is known to an editor"),
        ({"command": "a", "env": {"A": "${command:x.y}"}}, "env.A: ${command:x.y} is known to an editor"),
        ({"command": "a", "env": {"A": "${X:-canary}"}}, "env.A: ${X} has a default"),
        ({"command": "a", "env": {"A": "${" + KEY + "}"}}, "a name in it looks like a secret"),
        ({"url": "https://x.org", "headers": {KEY: "x"}}, "a name in it looks like a secret"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_cannot_be_imported_is_refused_with_a_reason_and_no_value(fields: dict[str, Any], reason: str) -> None:
    found = server(**fields)
    assert isinstance(found, str)
    assert found.startswith(reason)
    assert "can" + "ary" not in found
    assert KEY not in found


@pytest.mark.parametrize(
    "args",
    [
        ["run", "-e", "GITHUB_TOKEN", "image"],
        ["--max-tokens", "100"],
        ["--key-file", "/etc/key"],
        ["--token-env=GITHUB_TOKEN"],
        ["valkey:8"],
        ["monkey:1.0", "--verbose"],
        ["https://x.org/mcp?team=5"],
        ["postgres://ann@x.org/db"],
        ["--password-stdin"],
        ["--api-key", "--verbose"],
    ],
    ids=str,
)
def test_arguments_without_a_secret_are_taken(args: list[str]) -> None:
    assert server(command="a", args=args)["args"] == args


def test_an_id_in_a_url_is_no_secret() -> None:
    url = "https://x.org/tenants/6f9619ff-8b86-d011-b42d-00cf4fc964ff/servers/mcp_and_something_with_a_long_name"
    assert server(url=url)["url"] == url


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("Bearer ${A}", "Bearer ${AIOPS_SECRET_A}"),
        ('Token token="${A}"', 'Token token="${AIOPS_SECRET_A}"'),
        ("${A}:${B}", "${AIOPS_SECRET_A}:${AIOPS_SECRET_B}"),
        ("canary-${A}", "env:AIOPS_SECRET_S_X"),
        ("Bearer canary", "env:AIOPS_SECRET_S_X"),
        ("2024-11-05", "env:AIOPS_SECRET_S_X"),
        ("${KEY}", "env:AIOPS_SECRET_KEY_2"),
        ("${AIOPS_SECRET_KEY}", "env:AIOPS_SECRET_KEY_2"),
    ],
)
def test_no_text_of_a_header_is_stored_but_words_of_schemes(value: str, stored: str) -> None:
    assert server(url="https://x.org", headers={"X": value})["headers"] == {"X": stored}


def test_one_variable_never_stands_for_two_things() -> None:
    content = reading.read(
        b'{"mcpServers": {"a": {"url": "https://x.org", "headers": {"A": "${token}", "B": "${TOKEN}", '
        b'"C": "${input:token}", "D": "${env:TOKEN}", "E": "x"}}, '
        b'"a-e": {"url": "https://x.org", "headers": {"X": "x"}}, '
        b'"A": {"url": "https://x.org", "headers": {"E-X": "y"}}}}'
    )
    known = Variables(content.inputs)
    found = [draft(one, FINDER).row(mapped(one.was), known, FINDER)["headers"] for one in content.servers]
    assert found == [
        {
            "A": "env:AIOPS_SECRET_TOKEN",
            "B": "env:AIOPS_SECRET_TOKEN_2",
            "C": "env:AIOPS_SECRET_TOKEN_3",
            "D": "env:AIOPS_SECRET_TOKEN_2",
            "E": "env:AIOPS_SECRET_A_E",
        },
        {"X": "env:AIOPS_SECRET_A_E_X"},
        {"E-X": "env:AIOPS_SECRET_A_E_X_2"},
    ]


@pytest.mark.parametrize(
    ("was", "name"),
    [
        ("GitHub", "github"),
        ("my_server", "my-server"),
        ("My Server (old)", "my-server-old"),
        ("@modelcontextprotocol/server-git", "server-git"),
        ("github.com/owner/fetch-mcp/", "fetch-mcp"),
        ("21st", "server-21st"),
        ("Müller", "muller"),
        ("日本", "server"),
        ("", "server"),
        ("a" * 30 + "-b", "a" * 30),
    ],
)
def test_names_of_other_clients_are_mapped(was: str, name: str) -> None:
    assert mapped(was) == name


def test_numbered_names_stay_within_the_longest() -> None:
    found = candidates("a" * 31)
    assert [next(found), next(found)] == ["a" * 31, "a" * 29 + "-2"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1 // x\n, "b" 2}', "Line 2, column 7"),
        ('{/* a\n b */ "a": }', "Line 2, column 12"),
        ('{"a": "unclosed}', "Line 1, column 7"),
        ('{"a": 1} /* unclosed', None),
        ('{"servers": {"a": {"url": "https://x.org/*no*/comment"}}}', None),
    ],
)
def test_places_in_a_file_stay_what_they_are_with_comments(text: str, place: str | None) -> None:
    try:
        reading.read(text.encode())
    except Invalid as error:
        (reason,) = error.errors["file"]
        assert reason.startswith(place or "There are no servers")
    else:
        assert place is None


@pytest.mark.parametrize("part", ["/*", '"', "//", ",", "/**", '\\"', ",    ", "*/"])
def test_a_hostile_file_is_read_in_linear_time(part: str) -> None:
    with pytest.raises(Invalid):
        reading.read((part * 400_000).encode())
