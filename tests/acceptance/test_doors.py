"""The API's promises: what is accepted, refused, watched and stopped, and by whom."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, answer_of, eventually

SLOW = {"words": 40, "pause": 0.05}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


@pytest.fixture(scope="module")
def stranger(system: System) -> str:
    """The token of somebody else."""
    code = (
        "from aiops.people.models import User; from aiops.people import tokens\n"
        "eve = User.objects.create_user('eve'); print(tokens.issue(eve, name='x')[1])"
    )
    return system.manage(code).strip().splitlines()[-1]


def test_an_answer_is_accepted_streamed_and_kept(system: System) -> None:
    accepted = system.ask("hello", {"words": 30, "pause": 0.01})
    run_id = accepted["run"]["id"]
    events = list(system.events(run_id))
    kinds = [e.event for e in events]
    assert kinds[:2] == ["run.queued", "run.started"]
    assert kinds[-2:] == ["message.completed", "run.succeeded"]
    assert answer_of(events) == " ".join(f"w{n}" for n in range(30))
    assert [e.json()["seq"] for e in events[1:]] == list(range(1, len(events)))
    run = system.run(run_id)
    assert run["answer"] == events[-2].json()["text"]
    assert run["usage"]["output_tokens"] == 30
    assert run["model"] == "openai:scripted"
    assert run["timings"]["ms"]["queued_to_finished"] > 0
    assert run["timings"]["queued"] <= run["timings"]["started"] <= run["timings"]["first_delta"]


def test_the_agent_remembers_and_the_model_sees_what_was_said(system: System, model: ModelServer) -> None:
    first = system.ask("my name is Ann", {})
    system.ended(first["run"]["id"])
    second = system.ask("what is my name", {}, conversation=first["conversation"])
    system.ended(second["run"]["id"])
    said = [m["role"] for m in model.asked[-1]["messages"]]
    assert said == ["system", "user", "assistant", "user"]


def test_a_cleared_conversation_is_forgotten_but_can_be_read(
    system: System, model: ModelServer, client: httpx.Client
) -> None:
    first = system.ask("my name is Bob", {})
    system.ended(first["run"]["id"])
    here = f"/api/conversations/{first['conversation']}/"
    assert client.post(f"{here}clear/").status_code == 204
    system.ended(system.ask("who am I", {}, conversation=first["conversation"])["run"]["id"])
    assert [m["role"] for m in model.asked[-1]["messages"]] == ["system", "user"]
    assert len(client.get(f"{here}messages/").json()["results"]) == 4


def test_lost_memory_is_rebuilt_from_the_transcript_and_that_is_said(system: System, model: ModelServer) -> None:
    first = system.ask("my name is Cid", {})
    system.ended(first["run"]["id"])
    assert system.redis().delete(f"aiops:memory:{first['conversation']}") == 1
    second = system.ask("who am I", {}, conversation=first["conversation"])
    assert system.until(second["run"]["id"], "notice")["code"] in ("tool_server_down", "memory_rebuilt")
    notices = [e.json()["code"] for e in system.events(second["run"]["id"]) if e.event == "notice"]
    assert "memory_rebuilt" in notices
    assert [m["role"] for m in model.asked[-1]["messages"]] == ["system", "user", "assistant", "user"]


def test_a_missing_tool_server_is_named_and_the_others_serve(system: System) -> None:
    accepted = system.ask("look", {"call": "host_uptime", "id": uuid.uuid4().hex})
    notices = [e.json() for e in system.events(accepted["run"]["id"]) if e.event == "notice"]
    assert any(n["code"] == "tool_server_down" and "'absent'" in n["text"] for n in notices)
    run = system.ended(accepted["run"]["id"])
    assert [(s["server"], s["tool"], s["status"]) for s in run["steps"]] == [("host", "uptime", "ok")]


def test_a_failing_tool_is_told_to_the_model_and_the_reader(system: System) -> None:
    run = system.ended(system.ask("try", {"call": "counting_fail", "id": uuid.uuid4().hex})["run"]["id"])
    assert run["state"] == "succeeded"
    assert "the valve is stuck" in run["answer"]
    assert run["steps"][0]["status"] == "error"


def test_a_flood_from_a_tool_is_cut(system: System, model: ModelServer) -> None:
    run = system.ended(system.ask("try", {"call": "counting_flood", "id": uuid.uuid4().hex, "words": 1})["run"]["id"])
    shown = next(m["content"] for m in reversed(model.asked[-1]["messages"]) if m["role"] == "tool")
    assert "[cut: the first 16384 of 100000 bytes" in shown
    assert len(run["steps"][0]["preview"]) <= 2_000


def test_unknown_tools_and_endless_calls_end(system: System) -> None:
    run = system.ended(system.ask("try", {"call": "no_such_tool", "id": uuid.uuid4().hex})["run"]["id"])
    assert run["state"] == "succeeded"
    assert run["steps"] == [] or run["steps"][0]["status"] == "error"


# cancel


def test_cancelled_before_it_began_it_never_runs(system: System, client: httpx.Client, model: ModelServer) -> None:
    first = system.ask("long", SLOW)
    second = system.ask("never", {}, conversation=first["conversation"])
    answer = client.post(f"/api/runs/{second['run']['id']}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert [e.event for e in system.events(second["run"]["id"])] == ["run.queued", "run.cancelled"]
    assert system.ended(first["run"]["id"])["state"] == "succeeded"
    assert not [q for q in model.calls if q.startswith("never")]


def test_cancelled_in_the_middle_it_stops_and_keeps_what_was_said(system: System, client: httpx.Client) -> None:
    accepted = system.ask("long", {"words": 100, "pause": 0.05})
    run_id = accepted["run"]["id"]
    system.until(run_id, "message.delta")
    begun = time.monotonic()
    assert client.post(f"/api/runs/{run_id}/cancel/").status_code == 202
    run = system.ended(run_id)
    assert time.monotonic() - begun < 2
    assert run["state"] == "cancelled"
    assert run["partial"].startswith("w0")
    assert [e.event for e in system.events(run_id)][-1] == "run.cancelled"
    follow_up = system.ended(system.ask("go on", {}, conversation=accepted["conversation"])["run"]["id"])
    assert follow_up["state"] == "succeeded"


def test_cancelled_in_a_tool_call_the_conversation_goes_on(system: System, client: httpx.Client) -> None:
    do = {"call": "counting_look", "args": {"key": "x", "seconds": 5}, "id": uuid.uuid4().hex}
    accepted = system.ask("look", do)
    system.until(accepted["run"]["id"], "tool.started")
    client.post(f"/api/runs/{accepted['run']['id']}/cancel/")
    assert system.ended(accepted["run"]["id"], within_s=4)["state"] == "cancelled"
    follow_up = system.ended(system.ask("go on", {}, conversation=accepted["conversation"])["run"]["id"])
    assert (follow_up["state"], follow_up["error"]) == ("succeeded", None)


def test_cancelling_what_has_ended_is_a_conflict(system: System, client: httpx.Client) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    system.ended(run_id)
    answer = client.post(f"/api/runs/{run_id}/cancel/")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_ended")


def test_many_are_cancelled_at_once(system: System, client: httpx.Client) -> None:
    first = system.ask("long", {"words": 100, "pause": 0.05})
    others = [system.ask("more", {}, conversation=first["conversation"]) for _ in range(3)]
    asked = {"state": "queued", "conversation": first["conversation"]}
    answer = client.post("/api/runs/cancel/", json=asked)
    assert {row["id"] for row in answer.json()["runs"]} == {one["run"]["id"] for one in others}
    answer = client.post("/api/runs/cancel/", json={"ids": [first["run"]["id"]]})
    assert answer.status_code == 202
    assert system.ended(first["run"]["id"])["state"] == "cancelled"


def test_a_deadline_ends_a_run_and_says_so(system: System) -> None:
    run = system.ended(system.ask("long", {"words": 200, "pause": 0.05}, deadline_s=1)["run"]["id"])
    assert (run["state"], run["error"]["code"]) == ("failed", "deadline_exceeded")
    assert run["partial"].startswith("w0")


# on_busy


def test_enqueue_answers_in_order(system: System) -> None:
    first = system.ask("one", SLOW)
    second = system.ask("two", {}, conversation=first["conversation"])
    third = system.ask("three", {}, conversation=first["conversation"])
    assert system.until(third["run"]["id"], "run.queued")["ahead"] == 2
    ended = [system.ended(one["run"]["id"])["timings"]["finished"] for one in (first, second, third)]
    assert ended == sorted(ended)


def test_reject_says_that_the_conversation_is_busy(system: System, client: httpx.Client) -> None:
    first = system.ask("one", SLOW)
    body = {"message": "two", "conversation": first["conversation"], "on_busy": "reject"}
    answer = client.post("/api/chat/", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conversation_busy")
    system.ended(first["run"]["id"])


def test_interrupt_keeps_the_partial_answer_and_the_agent_knows_it(system: System, model: ModelServer) -> None:
    first = system.ask("one", {"words": 100, "pause": 0.05})
    system.until(first["run"]["id"], "message.delta")
    second = system.ask("two", {}, conversation=first["conversation"], on_busy="interrupt")
    assert system.ended(second["run"]["id"])["state"] == "succeeded"
    stopped = system.run(first["run"]["id"])
    assert stopped["state"] == "cancelled"
    seen = model.asked[-1]["messages"]
    assert [m["role"] for m in seen] == ["system", "user", "assistant", "user"]
    assert seen[2]["content"].startswith("w0")


def test_rollback_hides_the_stopped_turn_from_people_and_the_agent(
    system: System, model: ModelServer, client: httpx.Client
) -> None:
    zero = system.ask("zero", {})
    system.ended(zero["run"]["id"])
    do = {"call": "counting_change", "args": {"key": "r"}, "id": uuid.uuid4().hex, "words": 100, "pause": 0.05}
    first = system.ask("one", do, conversation=zero["conversation"])
    system.until(first["run"]["id"], "message.delta")
    second = system.ask("two", {}, conversation=zero["conversation"], on_busy="rollback")
    assert system.ended(second["run"]["id"])["state"] == "succeeded"
    shown = client.get(f"/api/conversations/{zero['conversation']}/messages/").json()["results"]
    assert [m["role"] for m in shown] == ["user", "assistant", "user", "assistant"]
    assert not [m for m in shown if m["text"].startswith("one")]
    seen = model.asked[-1]["messages"]
    assert [m["role"] for m in seen] == ["system", "user", "assistant", "user"]
    assert not [m for m in seen if str(m["content"]).startswith("one")]


# watching


def test_fifty_viewers_see_the_same_and_one_that_never_reads_holds_nobody_up(system: System) -> None:
    accepted = system.ask("a story", {"words": 60, "pause": 0.03})
    path = f"/api/runs/{accepted['run']['id']}/events"
    lazy = socket.create_connection(("127.0.0.1", system.port))
    lazy.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {system.token}\r\n\r\n".encode())

    async def view(client: httpx.AsyncClient) -> str:
        async with client.stream("GET", path) as response:
            return "".join([line + "\n" async for line in response.aiter_lines()])

    async def all_views() -> list[str]:
        limits = httpx.Limits(max_connections=60)
        headers = {"Authorization": f"Bearer {system.token}"}
        async with httpx.AsyncClient(base_url=system.url, headers=headers, limits=limits, timeout=30) as client:
            return await asyncio.gather(*(view(client) for _ in range(50)))

    views = asyncio.run(all_views())
    lazy.close()
    assert len(set(views)) == 1
    assert views[0].count("event: run.succeeded") == 1


def test_a_viewer_who_comes_back_gets_the_rest_and_then_nothing(system: System) -> None:
    accepted = system.ask("a story", {"words": 40, "pause": 0.03})
    run_id = accepted["run"]["id"]
    first = []
    for event in system.events(run_id):
        first.append(event)
        if len(first) == 5:
            break
    rest = list(system.events(run_id, after=first[-1].id))
    assert not {e.id for e in first} & {e.id for e in rest}
    assert answer_of(first + rest) == " ".join(f"w{n}" for n in range(40))
    assert list(system.events(run_id, after=rest[-1].id)) == []


def test_after_the_streams_life_the_row_tells_the_end(system: System) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    system.ended(run_id)
    system.redis().delete(f"aiops:events:{run_id}")
    told = list(system.events(run_id))
    assert [e.event for e in told] == ["message.completed", "run.succeeded"]
    assert list(system.events(run_id, after=told[-1].id)) == []


def test_a_cursor_that_is_gone_is_told_to_begin_again(system: System) -> None:
    run_id = system.ask("a story", {"words": 60, "pause": 0.03})["run"]["id"]
    system.until(run_id, "message.delta")
    system.redis().xtrim(f"aiops:events:{run_id}", maxlen=1, approximate=False)
    assert next(system.events(run_id, after="0-1")).event == "resync"
    system.ended(run_id)


def test_browsers_get_sanitised_html(system: System) -> None:
    run_id = system.ask("x", {"words": 3})["run"]["id"]
    done = [e.json() for e in system.events(run_id, render="html") if e.event == "message.completed"]
    assert done[0]["html"] == "<p>w0 w1 w2</p>\n"


def test_a_long_poll_answers_at_the_end_or_when_its_time_is_up(system: System) -> None:
    run_id = system.ask("a story", {"words": 60, "pause": 0.05})["run"]["id"]
    begun = time.monotonic()
    assert system.run(run_id, wait=1)["state"] == "running"
    assert 0.9 < time.monotonic() - begun < 2.5
    run = system.run(run_id, wait=20)
    assert run["state"] == "succeeded"
    assert time.monotonic() - begun < 10


# what is refused


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": "x", "webhook": "https://x"}, "webhook"),
        ({"message": "x", "force_advanced": True}, "force_advanced"),
        ({"message": " "}, "message"),
        ({"message": 7}, "message"),
        ({"message": "x\u0000"}, "message"),
        ({"message": "x", "on_busy": "explode"}, "on_busy"),
        ({"message": "x", "deadline_s": 3_601}, "deadline_s"),
        ({"message": "x", "temperature": 3}, "temperature"),
        ({"message": "x", "conversation": "1"}, "conversation"),
        ({"message": "x", "model": "gpt-99"}, "model"),
        ({}, "message"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(client: httpx.Client, body: dict, field: str) -> None:
    answer = client.post("/api/chat/", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.json()["errors"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b'{"message": NaN}',
        b'{"a": 1, "a": 2}',
        b"\xff",
        b'{"m":' + b"[" * 50 + b"]" * 50 + b"}",
        b"",
    ],
    ids=repr,
)
def test_what_is_no_json_object_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/chat/", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) in ((400, "invalid_json"), (400, "invalid"))


def test_sizes_are_bounded(client: httpx.Client) -> None:
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


@pytest.mark.parametrize("path", ["/api/runs", "/api/chat", "/api/nothing/", "/api/runs/x/", "/api/runs/x/events"])
def test_wrong_paths_are_problems_and_never_redirects(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={}) if path.endswith("chat") else client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/api/runs/?nonsense=1", "/api/conversations/?state=x", "/api/runs/?state=lost"])
def test_unknown_parameters_are_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 400


def test_too_many_unfinished_runs_are_refused_with_a_time(system: System) -> None:
    token = (
        system.manage(
            "from aiops.people.models import User; from aiops.people import tokens\n"
            "u = User.objects.create_user('busy'); print(tokens.issue(u, name='x')[1])"
        )
        .strip()
        .splitlines()[-1]
    )
    with system.client(token) as client:
        first = client.post("/api/chat/", json={"message": 'x DO {"words": 200, "pause": 0.05}'}).json()
        more = {"message": "y", "conversation": first["conversation"]}
        answers = [client.post("/api/chat/", json=more) for _ in range(50)]
        assert [a.status_code for a in answers] == [202] * 49 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0
        client.post("/api/runs/cancel/", json={"state": "queued"})
        client.post("/api/runs/cancel/", json={"state": "running"})
        eventually(lambda: not client.get("/api/runs/", params={"state": "running"}).json()["results"])


def test_the_same_key_gets_the_same_answer_and_runs_once(system: System, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"message": f"once {uuid.uuid4().hex}"}
    answers = [client.post("/api/chat/", json=body, headers=headers).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    other = client.post("/api/chat/", json={"message": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert system.rows("SELECT count(*) FROM conversations_message WHERE text = ?", body["message"]) == [(1,)]


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
        assert client.get(f"/api/runs/{run_id}/events", headers=header).status_code in (400, 403)


def test_staff_can_ask_for_upkeep_and_its_row_appears(system: System, client: httpx.Client) -> None:
    answer = client.post("/api/upkeep/event_streams/run/")
    assert answer.status_code == 202
    slot = f"request:{answer.json()['request']}"
    row = eventually(lambda: system.rows("SELECT outcome FROM upkeep_jobrun WHERE slot = ? AND ms > 0", slot))
    assert row == [("done",)]
    assert client.post("/api/upkeep/nothing/run/").status_code == 404


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
    page = client.get("/api/runs/", params={"limit": 2}).json()
    assert len(page["results"]) == 2
    assert client.get(page["next"]).status_code == 200


def test_health_names_what_is_missing(system: System) -> None:
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


# secrets


def test_a_canary_is_found_nowhere_it_should_not_be(system: System, client: httpx.Client) -> None:
    from tests.acceptance.conftest import CANARY, HEADER_CANARY

    accepted = system.ask("spill it", {"call": "counting_spill", "id": uuid.uuid4().hex})
    run = system.ended(accepted["run"]["id"])
    assert "the secret is [redacted] indeed" in run["answer"]
    seen = {
        "events": "".join(e.data for e in system.events(run["id"])),
        "run": json.dumps(run),
        "messages": client.get(f"/api/conversations/{accepted['conversation']}/messages/").text,
        "logs": system.logs(),
        "rows": "\n".join(str(row) for row in system.rows("SELECT * FROM conversations_run"))
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
