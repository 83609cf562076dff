"""What people decide about calls of tools, through the API of a running system."""

from __future__ import annotations

from typing import Any

from tests.acceptance.system import System, eventually


def let_call(system: System, server: str) -> None:
    """Let runs that somebody attends call all tools of a server without asking people."""
    fields = {"position": 100, "server": server, "outcome": "auto"}
    with system.client() as client:
        answer = client.post("/api/approval-policies/", json=fields)
    assert answer.status_code == 201, answer.text


def waiting(system: System, run_id: str) -> dict[str, Any]:
    """Wait until a run waits for people, and return its approval."""
    eventually(lambda: system.run(run_id)["approval"], within_s=30, what=f"the approval of {run_id}")
    with system.client() as client:
        return client.get(f"/api/approvals/{system.run(run_id)['approval']}/").json()


def decide(system: System, approval: dict[str, Any], decision: str = "approve", **fields: Any) -> dict[str, Any]:
    """Decide in the same way about each call of an approval."""
    items = [{"id": item["id"], "decision": decision, **fields} for item in approval["items"]]
    with system.client() as client:
        answer = client.post(f"/api/approvals/{approval['id']}/decide/", json={"items": items})
    assert answer.status_code == 200, answer.text
    return answer.json()
