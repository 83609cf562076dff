"""An MCP server over standard streams that says what its first argument, a file of JSON, has it say.

``pages``: the tools of each page, word for word; ``endless``: the last page names itself as the next one;
``announces``: before each answer to a ping it says that its list has changed;
``capabilities``: further ones; ``prompts`` and ``resources``: pages of those, ``refuses``, ``hangs`` and ``dies``: the
methods that are answered with an error, not at all, or with the end of the program; ``notice``: what it also says
before each answer to a ping;
``seconds``: how long a call takes, during which pings and lists are answered; ``result``: what a call returns.
The file is read again for each request.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

lock = threading.Lock()


def send(answer: dict[str, Any]) -> None:
    with lock:
        print(json.dumps({"jsonrpc": "2.0", **answer}), flush=True)


def call(request: dict[str, Any], said: dict[str, Any]) -> None:
    time.sleep(said.get("seconds", 0))
    send({"id": request["id"], "result": said.get("result", {"content": [{"type": "text", "text": "done"}]})})


def listed(params: dict[str, Any], said: dict[str, Any], kind: str = "tools") -> dict[str, Any]:
    pages = said["pages" if kind == "tools" else kind]
    at = int(params.get("cursor") or 0)
    following = min(at + 1, len(pages) - 1) if said.get("endless") else at + 1
    return {kind: pages[at], **({"nextCursor": str(following)} if following < len(pages) else {})}


for line in sys.stdin:
    request = json.loads(line)
    said = json.loads(Path(sys.argv[1]).read_text())
    method, params = request.get("method"), request.get("params") or {}
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}, **said.get("capabilities", {})}
        server = {"name": "raw", "version": "1"}
        version = params["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": server}
        send({"id": request["id"], "result": result})
    elif method in said.get("dies", ()):
        sys.exit(1)
    elif method in said.get("hangs", ()):
        continue
    elif method in said.get("refuses", ()):
        send({"id": request["id"], "error": {"code": -32603, "message": said["refuses"][method]}})
    elif method in ("prompts/list", "resources/list"):
        send({"id": request["id"], "result": listed(params, said, method.partition("/")[0])})
    elif method == "tools/list":
        send({"id": request["id"], "result": listed(params, said)})
    elif method == "tools/call":
        threading.Thread(target=call, args=(request, said), daemon=True).start()
    elif "id" in request:
        if said.get("announces"):
            send({"method": "notifications/tools/list_changed"})
        if said.get("notice"):
            send({"method": said["notice"]})
        send({"id": request["id"], "result": {}})
