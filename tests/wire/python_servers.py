"""The servers for Python: time, git, fetch and SQLite."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import program
from tests.wire.values import SDK_1, SDK_2, Call, Server, installed, like

PAGE = """<html><head><title>Switches</title></head><body><article><h1>Switches</h1>
<p>The uplink of <b>sw1</b> is <a href="/ports">eth0</a>; größe 1.</p></article></body></html>"""

SIMPLE = "Switches\n\n# Switches\n\nThe uplink of sw1 is eth0; größe 1."
CUT = "Content type text/html; .+ <head><title>Switche <error>Content truncated.+ start_index of 26 .+"
NOW = r'\{ "timezone": "Asia/Tokyo", "datetime": "[^"]+\+09:00", "day_of_week": "[A-Z][a-z]+day", "is_dst": false \}'
CONVERTED = r'.+T08:30:00\+09:00.+T23:30:00\+00:00.+"time_difference": "-9\.0h" \}'
CHANGE = r"@@ -1 \+1 @@ -eth0 up \+eth0 down"
SECOND = "Commit: [0-9a-f]{40} Author: Ann Date: [^\n]+ Message: Say that eth0 is down: größe"


def time() -> Server:
    return Server(
        command=(installed(SDK_2, "mcp-server-time"), "--local-timezone", "Europe/Berlin"),
        calls=(
            Call("get_current_time", {"timezone": "Asia/Tokyo"}, like(NOW)),
            Call(
                "convert_time",
                {"source_timezone": "Asia/Tokyo", "time": "08:30", "target_timezone": "Etc/UTC"},
                like(CONVERTED),
            ),
            Call(
                "get_current_time",
                {"timezone": "Nowhere/Land"},
                like(".+No time zone found with key Nowhere/Land.+"),
                failed=True,
            ),
        ),
    )


def git(folder: Path) -> Server:
    """Make a repository with a commit and a change that is not staged."""
    binary, tree = program("git", package="git"), folder / "repository"
    env = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    tree.mkdir()
    file = tree / "ports.txt"

    def run(*arguments: str) -> None:
        subprocess.run([binary, *arguments], cwd=tree, env=env, check=True, capture_output=True)

    run("init", "--initial-branch", "main")
    run("config", "user.name", "Ann")
    run("config", "user.email", "ann@example.org")
    file.write_text("eth0 up\n")
    run("add", "ports.txt")
    run("commit", "--message", "List the ports")
    file.write_text("eth0 down\n")
    at = {"repo_path": str(tree)}
    return Server(
        command=(installed(SDK_2, "mcp-server-git"), "--repository", str(tree)),
        env=tuple(env.items()),
        calls=(
            Call("git_status", at, like(r"Repository status: On branch main .+ modified: ports\.txt .+")),
            Call("git_diff_unstaged", at, like("Unstaged changes: diff .+" + CHANGE)),
            Call("git_add", {**at, "files": ["ports.txt"]}, "Files staged successfully"),
            Call("git_diff_staged", {**at, "context_lines": 0}, like("Staged changes: diff .+" + CHANGE)),
            Call("git_reset", at, "All staged changes reset"),
            Call("git_add", {**at, "files": ["."]}, "Files staged successfully"),
            Call(
                "git_commit",
                {**at, "message": "Say that eth0 is down: größe"},
                like("Changes committed successfully with hash [0-9a-f]{40}"),
            ),
            Call(
                "git_log",
                {**at, "max_count": 2},
                like(f"Commit history: {SECOND} Commit: .+ Message: List the ports\\s*"),
            ),
            Call("git_log", {**at, "end_timestamp": None, "max_count": 1}, like(rf"Commit history: {SECOND}\s*")),
            Call("git_show", {**at, "revision": "HEAD"}, like(rf"commit .+ <ann@example\.org> .+ größe .+{CHANGE}\s*")),
            Call(
                "git_create_branch",
                {**at, "branch_name": "side", "base_branch": "main"},
                "Created branch 'side' from 'main'",
            ),
            Call("git_checkout", {**at, "branch_name": "side"}, "Switched to branch 'side'"),
            Call("git_branch", {**at, "branch_type": "local"}, "  main\n* side"),
            Call("git_diff", {**at, "target": "HEAD~1"}, like("Diff with HEAD~1: diff .+" + CHANGE)),
            Call(
                "git_show", {**at, "revision": "nowhere"}, like(".+'nowhere' did not resolve to an object"), failed=True
            ),
        ),
    )


def fetch(url: str) -> Server:
    return Server(
        command=(installed(SDK_2, "mcp-server-fetch"), "--allow-private-ips"),
        env=(("PATH", str(SDK_2)),),  # with npm on it, the server installs packages at the first page
        calls=(
            Call("fetch", {"url": f"{url}/switches"}, f"Contents of {url}/switches:\n{SIMPLE}"),
            Call("fetch", {"url": f"{url}/switches", "raw": True, "max_length": 20, "start_index": 6}, like(CUT)),
            Call("fetch", {"url": f"{url}/nothing"}, like(".+ - status code 404"), failed=True),
        ),
    )


def sqlite(folder: Path) -> Server:
    rows = [{"name": "größe", "speed": 10}, {"name": "eth1", "speed": 25}]
    return Server(
        command=(installed(SDK_1, "mcp-server-sqlite"), "--db-path", str(folder / "ports.sqlite3")),
        calls=(
            Call(
                "create_table", {"query": "CREATE TABLE ports (name TEXT, speed INTEGER)"}, "Table created successfully"
            ),
            Call(
                "write_query",
                {"query": "INSERT INTO ports VALUES ('größe', 10), ('eth1', 25)"},
                "[{'affected_rows': 2}]",
            ),
            Call("read_query", {"query": "SELECT * FROM ports ORDER BY speed"}, str(rows)),
            Call("list_tables", {}, "[{'name': 'ports'}]"),
            Call("describe_table", {"table_name": "ports"}, like(r"\[\{.+'name': 'speed', 'type': 'INTEGER'.+\}\]")),
            Call("append_insight", {"insight": "eth1 is faster"}, "Insight added to memo"),
            Call("read_query", {"query": "DELETE FROM ports"}, "Error: Only SELECT queries are allowed for read_query"),
        ),
    )
