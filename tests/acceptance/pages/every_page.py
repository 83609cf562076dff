"""Every page of ours, with something on it."""

from __future__ import annotations

from tests.acceptance.deciding import waiting
from tests.acceptance.system import System, eventually


def make_paths(system: System) -> dict[str, str]:
    """Put something on every page; return their paths by name."""
    run = system.ask("Which disks?", {"words": 30})
    system.ended(run["run"]["id"])
    failed = system.ask("What is wrong?", {"fail": [401]})
    system.ended(failed["run"]["id"])
    with system.client() as client:
        person = client.get("/api/people/").json()["results"][0]["id"]
        batch = client.post("/api/batches/", json={"name": "Hosts of the night", "items": [{"prompt": "hello"}]}).json()
        schedule = client.post("/api/schedules/", json={"name": "Morning", "message": "hi", "every_s": 86_400}).json()
        server = client.get("/api/mcp-servers/").json()["results"][0]
        client.post("/api/mcp-servers/check/").raise_for_status()
        tool = eventually(lambda: client.get("/api/tools/").json()["results"], within_s=90, what="a list of tools")[0]
        kept = {"name": "shown", "kind": "env", "reference": "AIOPS_SECRET_CANARY"}
        secret = client.post("/api/secrets/", json=kept).json()
        provider = {"name": "shown", "handler": "openai", "config_schema": {"base_url": "http://127.0.0.1:9/v1"}}
        provider = client.post("/api/llm-providers/", json=provider).json()
        model = {"name": "gpt-4o", "provider": "shown", "model_secret_key": "shown", "price_in": 2.5, "price_out": 10}
        model = client.post("/api/llm-models/", json=model).json()
        middleware = {"llm_model": "gpt-4o", "middleware": "CacheMiddleware", "config": {"ttl_s": 60}}
        client.post("/api/llm-middleware/", json=middleware).raise_for_status()
        client.patch(f"/api/llm-models/{model['id']}/", json={"temperature": 0.3}, headers={"Change-Reason": "Calmer"})
        prompt = {"name": "shown", "prompt_text": "Today is {current_date}.\nBe brief.", "status": "approved"}
        prompt = client.post("/api/system-prompts/", json=prompt).json()
        client.patch(f"/api/system-prompts/{prompt['id']}/", json={"prompt_text": "Today is {current_date}.\nBe kind."})
        client.post("/api/saved-prompts/", json={"name": "hosts", "text": "Which disks are full?", "is_shared": True})
        asks = {"position": 1, "server": "counting", "tool": "change", "outcome": "ask_user"}
        policy = client.post("/api/approval-policies/", json=asks).json()
        change = {"call": "counting_change", "args": {"key": "web-1"}, "before": "I restart web-1."}
        approval = waiting(system, system.ask("Restart web-1", change)["run"]["id"])
        client.patch(f"/api/approval-policies/{policy['id']}/", json={"outcome": "auto"})
        shared = client.post(f"/api/conversations/{run['conversation']}/share/").json()
    return {
        "chat": "/",
        "conversation": f"/c/{run['conversation']}/",
        "conversation-shared": shared["url"].removeprefix(system.url),
        "runs": "/runs/",
        "run": f"/runs/{run['run']['id']}/",
        "run-failed": f"/runs/{failed['run']['id']}/",
        "approvals": "/approvals/",
        "approval": f"/approvals/{approval['id']}/",
        "policies": "/approvals/policies/",
        "policy": f"/approvals/policies/{policy['id']}/",
        "batches": "/batches/",
        "batch": f"/batches/{batch['id']}/",
        "schedules": "/schedules/",
        "schedule": f"/schedules/{schedule['id']}/",
        "tool-servers": "/tool-servers/",
        "tool-server": f"/tool-servers/{server['id']}/",
        "tool-server-new": "/tool-servers/new/",
        "tool-credentials": "/tool-credentials/",
        "tools": "/tools/",
        "tool": f"/tools/{tool['id']}/",
        "status": "/status/",
        "maintenance": "/upkeep/",
        "maintenance-job": "/upkeep/reaper/",
        "webhooks": "/webhooks/",
        "secrets": "/secrets/",
        "secret": f"/secrets/{secret['id']}/",
        "models": "/models/",
        "model": f"/models/{model['id']}/",
        "prompts": "/prompts/",
        "prompt": f"/prompts/{prompt['id']}/",
        "providers": "/providers/",
        "provider": f"/providers/{provider['id']}/",
        "saved-prompts": "/saved-prompts/",
        "audit": "/audit/",
        "profile": "/profile/",
        "people": "/people/",
        "person": f"/people/{person}/",
        "api": "/api/docs/",
        "not-found": "/runs/00000000-0000-7000-8000-000000000000/",
    }
