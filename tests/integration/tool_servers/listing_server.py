"""A server that lists prompts and resources, as tests of both say what it lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RAW = Path(__file__).parents[1] / "raw_tool_server.py"
GOOD = {"name": "good", "description": "Good.", "inputSchema": {"type": "object", "properties": {}}}
BOTH = {"prompts": {"listChanged": True}, "resources": {}}
PROMPT = {
    "name": "triage",
    "title": "Triage an alert",
    "description": "Looks at an alert.",
    "arguments": [{"name": "alert", "description": "its id", "required": True}, {"name": "depth"}],
}
RESOURCE = {
    "uri": "file:///runbook.md",
    "name": "runbook",
    "description": "The run-book.",
    "mimeType": "text/markdown",
    "size": 1200,
}


def said(tmp_path: Path, **given: Any) -> list[str]:
    """Return the arguments of a server that says this; a later call changes what it says."""
    file = tmp_path / "said"
    (tmp_path / "next").write_text(json.dumps({"pages": [[GOOD]], "capabilities": BOTH, **given}))
    (tmp_path / "next").replace(file)
    return [str(RAW), str(file)]
