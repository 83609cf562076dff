"""Configuration files of other MCP clients become rows: through the API, once, and without any secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from aiops.people import tokens
from aiops.people.models import IdempotencyKey, User
from aiops.tool_servers.models import MCPServer
from tests.integration.tool_servers.rows import add

URL = "/api/mcp-servers/import/"
PROBLEM = "application/problem+json"
CANARIES = ("ghp_" + "c4n4ry" * 7, "canary-of-a-header", "canary-of-the-environment", "canary-of-a-url")
FILE = {
    "mcpServers": {
        "GitHub": {
            "type": "http",
            "url": "https://api.githubcopilot.example.org/mcp/",
            "headers": {"Authorization": "Bearer ${input:github_token}", "X-Org": CANARIES[1]},
        },
        "my_server": {
            "command": "npx",
            "args": ["-y", "some-mcp-server"],
            "cwd": "/srv",
            "env": {"API_TOKEN": CANARIES[2], "LEVEL": "3", "GH": CANARIES[0]},
            "autoApprove": ["look"],
        },
        "postgres": {"command": "npx", "args": ["-y", "pg", f"postgresql://u:{CANARIES[3]}@db.example.org/x"]},
        "off": {"url": "https://off.example.org/sse", "disabled": True},
    },
    "inputs": [{"id": "github_token", "type": "promptString", "description": "GitHub token", "password": True}],
}
pytestmark = pytest.mark.usefixtures("asked")
Import = Callable[..., Any]


def client_of(user: User, *codes: str) -> Client:
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='test')[1]}"})


@pytest.fixture
def post(user: User) -> Import:
    client = client_of(user, "add_mcpserver", "run_commands")

    def run(content: Any, *, dry_run: bool = False, **headers: str) -> Any:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        form = {"file": SimpleUploadedFile("mcp.json", data), "dry_run": "true" if dry_run else "false"}
        return client.post(URL, form, headers=headers)

    return run


def servers(answer: Any) -> list[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.content
    return [(one["was"], one["name"], one["action"]) for one in answer.json()["servers"]]


def everything_stored() -> str:
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        rows = []
        for name in names:
            cursor.execute(f'SELECT * FROM "{name}"')
            rows += cursor.fetchall()
    return str(rows)


def test_a_file_becomes_rows_with_references_and_no_secret_of_it_is_kept(
    post: Import, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = post(FILE, idempotency_key="once")
    assert servers(answer) == [
        ("GitHub", "github", "create"),
        ("my_server", "my-server", "create"),
        ("postgres", "", "refused"),
        ("off", "off", "create"),
    ]
    github, mine, off = MCPServer.objects.order_by("name")
    assert (github.protocol, github.url, github.status) == ("http", FILE["mcpServers"]["GitHub"]["url"], "unknown")
    assert github.headers == {
        "Authorization": "Bearer ${AIOPS_SECRET_GITHUB_TOKEN}",
        "X-Org": "env:AIOPS_SECRET_GITHUB_X_ORG",
    }
    assert (mine.protocol, mine.command, mine.args, mine.cwd) == ("stdio", "npx", ["-y", "some-mcp-server"], "/srv")
    assert mine.env == {
        "API_TOKEN": "env:AIOPS_SECRET_MY_SERVER_API_TOKEN",
        "LEVEL": "3",
        "GH": "env:AIOPS_SECRET_MY_SERVER_GH",
    }
    assert (off.protocol, off.status) == ("sse", "maintenance")
    found = answer.json()
    assert found["variables"] == sorted(found["sources"])
    assert found["sources"] == {
        "AIOPS_SECRET_GITHUB_TOKEN": "the input github_token of your file (GitHub token)",
        "AIOPS_SECRET_GITHUB_X_ORG": "the value of headers.X-Org of server GitHub in your file",
        "AIOPS_SECRET_MY_SERVER_API_TOKEN": "the value of env.API_TOKEN of server my_server in your file",
        "AIOPS_SECRET_MY_SERVER_GH": "the value of env.GH of server my_server in your file",
    }
    assert found["servers"][1]["reason"] == "Left out: autoApprove."
    assert "args has what looks like a secret" in found["servers"][2]["reason"].lower()
    assert IdempotencyKey.objects.count() == 1
    logged = capsys.readouterr()
    for place in (answer.content.decode(), everything_stored(), caplog.text, logged.out, logged.err):
        assert [canary for canary in CANARIES if canary in place] == []


def test_importing_a_file_twice_changes_nothing(post: Import, asked: list[Any]) -> None:
    first, before = post(FILE), list(MCPServer.objects.values())
    asked.clear()
    second = post(FILE)
    assert [action for _, _, action in servers(second)] == ["unchanged", "unchanged", "refused", "unchanged"]
    assert [name for _, name, _ in servers(second)] == [name for _, name, _ in servers(first)]
    assert (second.json()["sources"], list(MCPServer.objects.values())) == (first.json()["sources"], before)
    assert asked == []


def test_an_import_makes_workers_read_the_rows_and_check_them_once(
    post: Import, asked: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    for dry_run, times in ((True, 0), (False, 1), (False, 0)):
        asked.clear()
        with django_capture_on_commit_callbacks(execute=True):
            post(FILE, dry_run=dry_run)
        assert asked == [("tool_servers", 0)] * times


def test_a_dry_run_says_the_same_and_writes_nothing(post: Import, asked: list[Any]) -> None:
    dry = post(FILE, dry_run=True)
    assert not MCPServer.objects.exists()
    assert asked == []
    assert dry.json() == post(FILE).json()


def test_a_different_server_of_a_name_gets_another_one_and_is_found_again(post: Import) -> None:
    add("github", url="https://mine.example.org")
    both = {
        "mcpServers": {
            "GitHub": {"url": "https://one.example.org", "headers": {"Authorization": CANARIES[1]}},
            "github": {"url": "https://one.example.org", "headers": {"Authorization": CANARIES[2]}},
        }
    }
    for action in ("create", "unchanged"):
        answer = post(both)
        assert servers(answer) == [("GitHub", "github-2", action), ("github", "github-3", action)]
    assert answer.json()["servers"][0]["reason"] == "Another server has the name github."
    assert answer.json()["variables"] == ["AIOPS_SECRET_GITHUB_2_AUTHORIZATION", "AIOPS_SECRET_GITHUB_3_AUTHORIZATION"]
    assert MCPServer.objects.count() == 3


def test_servers_that_a_file_names_twice_are_told_apart_unless_they_are_the_same(post: Import) -> None:
    written = (
        b'{"servers": {"a": {"url": "https://a.org"}, "a": {"url": "https://b.org"}, "A": {"url": "https://a.org"}}}'
    )
    assert servers(post(written)) == [("a", "a", "create"), ("a", "a-2", "create"), ("A", "a", "unchanged")]
    assert [action for _, _, action in servers(post(written))] == ["unchanged"] * 3


def test_a_row_that_was_changed_afterwards_in_other_fields_is_still_the_same(post: Import) -> None:
    post(FILE)
    MCPServer.objects.filter(name="github").update(
        status="maintenance", call_s=7, required=True, url="https://api.githubcopilot.example.org", endpoint="/mcp/"
    )
    assert ("GitHub", "github", "unchanged") in servers(post(FILE))


def test_who_may_not_run_commands_imports_the_others(user: User) -> None:
    client = client_of(user, "add_mcpserver")
    answer = client.post(URL, {"file": SimpleUploadedFile("mcp.json", json.dumps(FILE).encode())})
    assert [action for _, _, action in servers(answer)] == ["create", "refused", "refused", "create"]
    assert "permission run_commands" in answer.json()["servers"][1]["reason"]


@pytest.mark.parametrize("codes", [(), ("view_mcpserver", "change_mcpserver")])
def test_importing_needs_the_permission_to_add(user: User, codes: tuple[str, ...]) -> None:
    answer = client_of(user, *codes).post(URL, {"file": SimpleUploadedFile("mcp.json", json.dumps(FILE).encode())})
    assert answer.status_code == 403
    assert not MCPServer.objects.exists()


def test_a_key_repeats_the_answer_and_another_file_is_refused(post: Import) -> None:
    first = post(FILE, idempotency_key="k")
    MCPServer.objects.all().delete()
    assert post(FILE, idempotency_key="k").json() == first.json()
    assert not MCPServer.objects.exists()
    assert post({"mcpServers": {"a": {"url": "https://a.org"}}}, idempotency_key="k").status_code == 422


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Line 1, column 1"),
        (b"\xff\xfe\x00\xd8", "not UTF-8"),
        (b'{"mcpServers": {\n  "a": canary}}', "Line 2, column 8 is not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"mcpServers": []}', "mcpServers is not an object"),
        (b'{"context_servers": {}}', "There are no servers in it"),
        (b'{"mcpServers": {}}', "There are no servers in it"),
        (b'{"mcpServers": {"a": NaN}}', "NaN"),
        (b'{"a":' * 100_000, "nested too deep"),
        (json.dumps({"servers": {str(n): {} for n in range(201)}}).encode(), "201 servers"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "a number that cannot be read"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_place(post: Import, content: bytes, reason: str) -> None:
    answer = post(content)
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    assert reason in answer.json()["errors"]["file"][0]
    assert "canary" not in answer.content.decode()


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"file": "{}"}, {"file"}),
        ({}, {"file"}),
        ({"dry_run": "1"}, {"dry_run"}),
        ({"dry_run": ["true", "false"]}, {"dry_run"}),
        ({"extra": "1"}, {"extra"}),
    ],
    ids=str,
)
def test_a_part_that_is_wrong_or_unknown_is_refused_by_name(user: User, form: dict[str, Any], named: set[str]) -> None:
    with_file = {"file": SimpleUploadedFile("a.json", b"{}")} if named != {"file"} else {}
    answer = client_of(user, "add_mcpserver").post(URL, {**with_file, **form})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, named)


def test_a_file_larger_than_four_megabytes_is_refused(post: Import) -> None:
    assert post(b" " * 4_000_001).status_code == 413
