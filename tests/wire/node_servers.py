"""The servers for Node.js: everything, filesystem, memory and sequential thinking."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from aiops.tool_servers.client.values import Progress
from tests.wire.values import NODE, Call, Server, installed, like

GIVEN = ("WIRE", "given")
"""A variable of the server, shown by one of its tools."""
LOGO = "[image image/png, 4033 bytes]"
LINKS = "Here are 2 .+ Blob Resource 1 <demo://\\S+/blob/1>: .+ Text Resource 2 <demo://\\S+/text/2>: .+"
WEATHER = '{"temperature":36,"conditions":"Light rain / drizzle","humidity":82}'
PACKED = r"\[resource demo://resource/session/b\.gz, application/gzip, \d\d bytes\]"
MESSAGE = 'größe "ü"\n\t😀 null'
CONTENT = "one\nzwei ü\nthree\n"
DIFF = r".+ -one \+1 zwei ü three ```\s*"
SIZES = r"\[DIR\] below \[FILE\] dot\.png 70 B Total: 1 files, 1 directories Combined size: 70 B"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def indented(value: Any) -> str:
    """Return JSON as these servers write it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def done(what: str) -> str:
    text = f"{what} deleted successfully"
    return f"{text}\n{json.dumps({'success': True, 'message': text})}"


def everything() -> Server:
    return Server(
        command=(installed(NODE, "mcp-server-everything"),),
        env=(GIVEN,),
        calls=(
            Call("echo", {"message": MESSAGE}, f"Echo: {MESSAGE}"),
            Call(
                "get-annotated-message",
                {"messageType": "error", "includeImage": True},
                f"Error: Operation failed\n{LOGO}",
            ),
            Call("get-env", {}, like(r'(?!.*AIOPS_)(?!.*DATABASE_URL)\{.*"WIRE": "given".*\}')),
            Call("get-resource-links", {"count": 2}, like(LINKS)),
            Call(
                "get-resource-reference",
                {"resourceType": "Text", "resourceId": 3},
                like(".+: Resource 3: This is a plaintext .+/text/3"),
            ),
            Call(
                "get-resource-reference",
                {"resourceType": "Blob", "resourceId": 4},
                like(r".+ \[resource \S+/blob/4, text/plain, \d+ bytes\] .+/blob/4"),
            ),
            Call("get-structured-content", {"location": "Chicago"}, WEATHER),
            Call("get-sum", {"a": 0.5, "b": -3}, "The sum of 0.5 and -3 is -2.5."),
            Call(
                "get-sum",
                {"a": "no number", "b": 1},
                like("MCP error -32602: .+ expected number, received string .+"),
                failed=True,
            ),
            Call("get-tiny-image", {}, f"Here's the image you requested:\n{LOGO}\nThe image above is the MCP logo."),
            Call(
                "gzip-file-as-resource",
                {"name": "a.gz", "data": "data:text/plain,wire"},
                "a.gz <demo://resource/session/a.gz>",
            ),
            Call(
                "gzip-file-as-resource",
                {"name": "b.gz", "data": "data:text/plain,wire", "outputType": "resource"},
                like(PACKED),
            ),
            Call("toggle-simulated-logging", {}, like("Started simulated, random-leveled logging for session .+")),
            Call("toggle-simulated-logging", {}, like("Stopped simulated logging for session .+")),
            Call(
                "toggle-subscriber-updates", {}, like("Started simulated resource updated notifications for session .+")
            ),
            Call("toggle-subscriber-updates", {}, like("Stopped simulated resource updates for session .+")),
            Call(
                "trigger-long-running-operation",
                {"duration": 0.2, "steps": 2},
                "Long running operation completed. Duration: 0.2 seconds, Steps: 2.",
                progress=(Progress(1, 2), Progress(2, 2)),
            ),
        ),
        refused={"simulate-research-query": "task"},
    )


def filesystem(folder: Path) -> Server:
    place = folder / "files"
    place.mkdir()
    (place / "dot.png").write_bytes(PNG)
    text, moved, below = str(place / "a.txt"), str(place / "below/b.txt"), str(place / "below")
    tree = [{"name": "below", "type": "directory", "children": [{"name": "b.txt", "type": "file"}]}]
    return Server(
        command=(installed(NODE, "mcp-server-filesystem"), str(place)),
        calls=(
            Call("list_allowed_directories", {}, f"Allowed directories:\n{place}"),
            Call("create_directory", {"path": below}, f"Successfully created directory {below}"),
            Call("write_file", {"path": text, "content": CONTENT}, f"Successfully wrote to {text}"),
            Call("read_text_file", {"path": text}, CONTENT),
            Call("read_text_file", {"path": text, "head": 1}, "one"),
            Call("read_file", {"path": text, "tail": 2}, "three\n"),
            Call("read_media_file", {"path": str(place / "dot.png")}, f"[image image/png, {len(PNG)} bytes]"),
            Call(
                "edit_file", {"path": text, "edits": [{"oldText": "one", "newText": "1"}], "dryRun": False}, like(DIFF)
            ),
            Call("move_file", {"source": text, "destination": moved}, f"Successfully moved {text} to {moved}"),
            Call(
                "read_multiple_files",
                {"paths": [moved, text]},
                like(f"{moved}: 1 zwei ü three --- {text}: Error - ENOENT.+"),
            ),
            Call("list_directory", {"path": str(place)}, "[DIR] below\n[FILE] dot.png"),
            Call("list_directory_with_sizes", {"path": str(place), "sortBy": "size"}, like(SIZES)),
            Call("directory_tree", {"path": str(place), "excludePatterns": ["*.png"]}, indented(tree)),
            Call("search_files", {"path": str(place), "pattern": "**/*.txt"}, moved),
            Call("get_file_info", {"path": moved}, like("size: 16 created: .+ isFile: true permissions: .+")),
            Call(
                "read_text_file",
                {"path": str(folder)},
                like("Access denied - path outside allowed directories: .+"),
                failed=True,
            ),
        ),
    )


def memory(folder: Path) -> Server:
    switch = {"name": "sw1", "entityType": "switch", "observations": ["in rack 4"]}
    router = {"name": "r1", "entityType": "router", "observations": []}
    relation = {"from": "sw1", "to": "r1", "relationType": "uplink"}
    added = [{"entityName": "r1", "addedObservations": ["größe 1"]}]
    changed = {**router, "observations": ["größe 1"]}
    return Server(
        command=(installed(NODE, "mcp-server-memory"),),
        env=(("MEMORY_FILE_PATH", str(folder / "memory.jsonl")),),
        calls=(
            Call("create_entities", {"entities": [switch, router]}, indented([switch, router])),
            Call("create_relations", {"relations": [relation]}, indented([relation])),
            Call(
                "add_observations", {"observations": [{"entityName": "r1", "contents": ["größe 1"]}]}, indented(added)
            ),
            Call("search_nodes", {"query": "rack"}, indented({"entities": [switch], "relations": [relation]})),
            Call("open_nodes", {"names": ["r1"]}, indented({"entities": [changed], "relations": [relation]})),
            Call(
                "delete_observations",
                {"deletions": [{"entityName": "sw1", "observations": ["in rack 4"]}]},
                done("Observations"),
            ),
            Call("delete_relations", {"relations": [relation]}, done("Relations")),
            Call("delete_entities", {"entityNames": ["r1"]}, done("Entities")),
            Call("read_graph", {}, indented({"entities": [{**switch, "observations": []}], "relations": []})),
        ),
    )


def thinking() -> Server:
    thought = {"thought": "look at eth0", "nextThoughtNeeded": True, "thoughtNumber": 1, "totalThoughts": 2}
    branch = {**thought, "branchFromThought": 1, "branchId": "b"}
    seen = {name: thought[name] for name in ("thoughtNumber", "totalThoughts", "nextThoughtNeeded")}
    return Server(
        command=(installed(NODE, "mcp-server-sequential-thinking"),),
        calls=(
            Call("sequentialthinking", thought, indented({**seen, "branches": [], "thoughtHistoryLength": 1})),
            Call("sequentialthinking", branch, indented({**seen, "branches": ["b"], "thoughtHistoryLength": 2})),
        ),
    )
