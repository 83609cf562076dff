"""What the doors refuse, who may pass them, and that no secret leaves.

More than 250 lines: one promise per door, on one running system.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.system import System, eventually

SLOW = {"words": 40, "pause": 0.05}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def test_messages_and_bodies_above_their_size_are_refused(client: httpx.Client) -> None:
    answer = client.post("/api/chat/", json={"message": "x" * 33_000})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["message"])
    answer = client.post("/api/chat/", json={"message": "x" * 70_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def pieces() -> Iterator[bytes]:
        yield b'{"message": "'
        for _ in range(70):
            yield b"x" * 1_000
        yield b'"}'

    answer = client.post("/api/chat/", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_wrong_id_of_a_stream_is_a_problem(client: httpx.Client) -> None:
    answer = client.get("/api/runs/x/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_long_poll_whose_wait_is_no_number_of_seconds_is_refused(system: System, client: httpx.Client) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    assert client.get(f"/api/runs/{run_id}/?wait=00300000").status_code == 400


def test_the_same_key_gets_the_same_answer_and_runs_once(system: System, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"message": f"once {uuid.uuid4().hex}"}
    answers = [client.post("/api/chat/", json=body, headers=headers).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    other = client.post("/api/chat/", json={"message": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert system.rows("SELECT count(*) FROM conversations_message WHERE text = ?", body["message"]) == [(1,)]


def test_a_post_to_an_event_stream_is_refused_as_read_only(system: System, client: httpx.Client) -> None:
    answer = client.post(f"/api/runs/{uuid.uuid4()}/events")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


# who may


def test_without_a_token_nothing_opens(system: System) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    paths = [
        "/api/runs/",
        f"/api/runs/{run_id}/",
        f"/api/runs/{run_id}/?wait=1",
        f"/api/runs/{run_id}/events",
        "/api/schema/",
    ]
    with httpx.Client(base_url=system.url) as nobody:
        assert [nobody.get(path).status_code for path in paths] == [401] * len(paths)
        assert nobody.post("/api/chat/", json={"message": "x"}).status_code == 401
        wrong = {"Authorization": "Bearer aiops_" + "x" * 43}
        assert [nobody.get(path, headers=wrong).json()["code"] for path in paths] == ["invalid_token"] * len(paths)


def test_a_stranger_finds_404_at_every_door(system: System, stranger: str) -> None:
    accepted = system.ask("private", SLOW)
    run, conversation = accepted["run"]["id"], accepted["conversation"]
    with system.client(stranger) as eve:
        answers = [
            eve.get(f"/api/runs/{run}/"),
            eve.get(f"/api/runs/{run}/?wait=1"),
            eve.get(f"/api/runs/{run}/events"),
            eve.post(f"/api/runs/{run}/cancel/"),
            eve.get(f"/api/conversations/{conversation}/"),
            eve.patch(f"/api/conversations/{conversation}/", json={"title": "x"}),
            eve.delete(f"/api/conversations/{conversation}/"),
            eve.get(f"/api/conversations/{conversation}/messages/"),
            eve.post(f"/api/conversations/{conversation}/clear/"),
            eve.post("/api/chat/", json={"message": "x", "conversation": conversation}),
        ]
        assert [a.status_code for a in answers] == [404] * len(answers)
        assert eve.post("/api/runs/cancel/", json={"ids": [run]}).json() == {"runs": []}
        assert eve.get("/api/runs/").json()["results"] == []
        assert eve.get("/api/conversations/", params={"search": "private"}).json()["results"] == []
        assert eve.post("/api/upkeep/reaper/run/").status_code == 403
    assert system.ended(run)["state"] == "succeeded"


def test_a_read_only_token_reads(system: System, client: httpx.Client) -> None:
    made = client.post("/api/tokens/", json={"name": "reader", "scope": "read", "expires_in_days": 1})
    assert made.status_code == 201
    with system.client(made.json()["token"]) as reader:
        assert reader.get("/api/runs/").status_code == 200
        assert reader.post("/api/chat/", json={"message": "x"}).status_code == 403
        assert reader.post("/api/tokens/", json={"name": "more"}).status_code == 403
    assert client.delete(f"/api/tokens/{made.json()['id']}/").status_code == 204
    with system.client(made.json()["token"]) as revoked:
        assert revoked.get("/api/runs/").status_code == 401
    listed = client.get("/api/tokens/").json()["results"]
    assert all("token" not in row for row in listed)


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}], ids=str)
def test_foreign_hosts_and_origins_do_not_pass_the_stream(system: System, header: dict[str, str]) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    with system.client() as client:
        answer = client.get(f"/api/runs/{run_id}/events", headers=header)
        assert (answer.status_code, answer.json()["code"]) in ((400, "bad_host"), (403, "bad_origin"))


def test_staff_can_request_a_job_and_its_row_appears(system: System, client: httpx.Client) -> None:
    answer = client.post("/api/upkeep/event_streams/run/")
    assert answer.status_code == 202
    slot = f"request:{answer.json()['request']}"
    row = eventually(lambda: system.rows("SELECT outcome FROM maintenance_jobrun WHERE slot = ? AND ms > 0", slot))
    assert row == [("done",)]
    assert client.post("/api/upkeep/nothing/run/").status_code == 404


def test_a_job_requested_twice_with_one_key_runs_once(system: System, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answers = [client.post("/api/upkeep/event_streams/run/", headers=headers).json() for _ in range(2)]
    assert answers[0] == answers[1]
    slot = f"request:{answers[0]['request']}"
    eventually(lambda: system.rows("SELECT outcome FROM maintenance_jobrun WHERE slot = ? AND ms > 0", slot))
    assert system.rows("SELECT count(*) FROM maintenance_jobrun WHERE slot = ?", slot) == [(1,)]


def test_what_a_run_writes_after_its_conversation_was_deleted_goes_too(system: System, client: httpx.Client) -> None:
    accepted = system.ask("tell", {"words": 200, "pause": 0.05})
    run_id = accepted["run"]["id"]
    system.until(run_id, "message.delta")
    assert client.delete(f"/api/conversations/{accepted['conversation']}/").status_code == 204
    eventually(lambda: f'"run": "{run_id}"' in system.logs() and "run.lost" in system.logs(), what="the end")
    keys = (f"aiops:memory:{accepted['conversation']}", f"aiops:events:{run_id}")
    eventually(lambda: not system.redis().exists(*keys), what="the removal")


def test_a_deleted_conversation_takes_everything_along(system: System, client: httpx.Client) -> None:
    accepted = system.ask("hello", {})
    run_id = accepted["run"]["id"]
    system.ended(run_id)
    assert client.delete(f"/api/conversations/{accepted['conversation']}/").status_code == 204
    assert client.get(f"/api/runs/{run_id}/").status_code == 404
    assert not system.redis().exists(f"aiops:memory:{accepted['conversation']}", f"aiops:events:{run_id}")


def test_conversations_are_listed_searched_and_renamed(system: System, client: httpx.Client) -> None:
    word = uuid.uuid4().hex
    accepted = system.ask(f"about {word}", {})
    found = client.get("/api/conversations/", params={"search": word}).json()["results"]
    assert [c["id"] for c in found] == [accepted["conversation"]]
    here = f"/api/conversations/{accepted['conversation']}/"
    assert client.patch(here, json={"title": "A better name"}).json()["title"] == "A better name"
    assert client.patch(here, json={"owner": "eve"}).status_code == 400
    opened = client.post("/api/conversations/", json={}).json()
    system.ask("which name", {}, conversation=opened["id"])
    assert client.get(f"/api/conversations/{opened['id']}/").json()["title"].startswith("which name")
    page = client.get("/api/runs/", params={"limit": 2}).json()
    assert len(page["results"]) == 2
    assert client.get(page["next"]).status_code == 200


def test_a_healthy_system_is_live_and_ready(system: System) -> None:
    assert httpx.get(f"{system.url}/health/live").json() == {"status": "live"}
    ready = eventually(lambda: (r := httpx.get(f"{system.url}/health/ready").json())["degraded"] == [] and r)
    assert ready["status"] == "ready"


def test_the_schema_is_openapi_3_1_and_names_every_call(client: httpx.Client) -> None:
    schema = client.get("/api/schema/").json()
    assert schema["openapi"].startswith("3.1")
    assert {"/api/chat/", "/api/runs/{id}/events", "/api/runs/cancel/", "/api/upkeep/{name}/run/"} <= set(
        schema["paths"]
    )
    assert client.get("/api/docs/").status_code == 200


def test_the_api_page_sends_a_browser_to_sign_in_and_answers_a_program_with_401(system: System) -> None:
    with httpx.Client(base_url=system.url) as nobody:
        answer = nobody.get("/api/docs/", headers={"Accept": "text/html,*/*;q=0.8"})
        assert (answer.status_code, answer.headers["location"]) == (302, "/sign-in/?next=/api/docs/")
        answer = nobody.get("/api/docs/", headers={"Accept": "*/*"})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


# secrets


def test_secrets_are_found_in_no_answer_log_row_or_key(system: System, client: httpx.Client) -> None:
    from tests.acceptance.conftest import CANARY, HEADER_CANARY

    accepted = system.ask("spill it", {"call": "counting_spill", "id": uuid.uuid4().hex})
    run = system.ended(accepted["run"]["id"])
    assert "the secret is [redacted] indeed" in run["answer"]
    seen = {
        "events": "".join(e.data for e in system.events(run["id"])),
        "run": json.dumps(run),
        "messages": client.get(f"/api/conversations/{accepted['conversation']}/messages/").text,
        "logs": system.logs(),
        "rows": "\n".join(str(row) for row in system.rows("SELECT * FROM runs_run"))
        + "\n".join(str(row) for row in system.rows("SELECT * FROM conversations_message")),
        "redis": "".join(_dump(system)),
        "doctor": system.cli("doctor").stdout,
        "arguments": "".join(" ".join(p.cmdline()) for p in system.processes("")),
    }
    secrets = [CANARY, HEADER_CANARY, system.env["OPENAI_API_KEY"], system.token, system.redis_url.split("@")[0][9:]]
    found = [(place, n) for place, text in seen.items() for n, secret in enumerate(secrets) if secret in text]
    assert found == []


def _dump(system: System) -> Iterator[str]:
    """Yield everything that Redis holds, as text."""
    client = system.redis()
    for key in client.scan_iter():
        with contextlib.suppress(Exception):
            yield str(client.dump(key))
        kind = client.type(key)
        if kind == b"hash":
            yield str(client.hgetall(key))
        elif kind == b"stream":
            yield str(client.xrange(key))


def test_staff_see_jobs_their_past_and_what_retention_would_remove(system: System, client: httpx.Client) -> None:
    jobs = {job["job"]: job for job in client.get("/api/upkeep/").json()}
    assert jobs["reaper"]["last"]["outcome"] in ("done", "running")
    asked = client.post("/api/upkeep/retention/run/").json()["request"]
    eventually(
        lambda: system.rows("SELECT outcome FROM maintenance_jobrun WHERE slot = ? AND ms > 0", f"request:{asked}"),
        what="the job's row",
    )
    last = client.get("/api/upkeep/retention/runs/", params={"limit": 1}).json()["results"][0]
    nothing = {"firings": 0, "deliveries": 0, "tool_calls": 0, "failed": 0}
    assert last["summary"] == {**nothing, "orphaned_memories": last["summary"]["orphaned_memories"]}
    assert client.get("/api/upkeep/retention/preview/").json() == [
        {"rule": "deliveries", "days": 30, "would_remove": 0},
        {"rule": "firings", "days": 90, "would_remove": 0},
        {"rule": "tool_calls", "days": 90, "would_remove": 0},
    ]
    assert client.get("/api/upkeep/nothing/runs/").status_code == 404
