"""Batches through their real doors: API, command line and page; each item once, whatever dies."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator

import httpx
import httpx_sse
import pytest

from tests.acceptance.batching import ended, lines, results, send
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, eventually


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def test_a_batch_is_answered_watched_and_fetched_in_order(client: httpx.Client) -> None:
    batch = send(client, lines(40), name="night.jsonl")
    assert batch["state"] == "validating"
    with httpx_sse.connect_sse(client, "GET", batch["links"]["events"]) as source:
        seen = [(event.event, event.json()) for event in source.iter_sse() if event.data]
    assert seen[-1][0] == "batch.ended"
    done = [data["counts"]["succeeded"] for name, data in seen if name == "batch.progress"]
    assert done == sorted(done)
    whole = ended(client, batch)
    assert whole["counts"] == {**dict.fromkeys(whole["counts"], 0), "total": 40, "succeeded": 40}
    assert [one["custom_id"] for one in results(client, batch)] == [f"c{n}" for n in range(40)]
    assert {one["answer"] for one in results(client, batch)} == {"w0 w1 w2"}
    assert whole["usage"]["output_tokens"] >= 0
    again = client.get(batch["links"]["events"], headers={"Last-Event-ID": "ended"})
    assert again.status_code == 204


def test_items_in_json_pages_of_items_and_csv_results(client: httpx.Client) -> None:
    asked = {"items": [{"custom_id": "=a", "prompt": "hello"}, {"prompt": "bye"}], "name": "two"}
    answer = client.post("/api/batches/", json=asked)
    assert answer.status_code == 202, answer.text
    ended(client, answer.json())
    links = answer.json()["links"]
    page = client.get(links["items"], params={"limit": 1, "state": "succeeded"}).json()
    assert page["results"][0]["custom_id"] == "=a"
    assert client.get(page["next"]).json()["results"][0]["custom_id"] == "2"
    table = client.get(links["results"], params={"as": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[1].startswith('"\'=a","succeeded",')


def test_a_json_list_comes_as_a_file_and_a_large_one_only_so(client: httpx.Client) -> None:
    items = [json.loads(line) for line in lines(3).splitlines()]
    batch = send(client, json.dumps(items), name="items.json")
    assert ended(client, batch)["counts"]["succeeded"] == 3
    large = client.post("/api/batches/", json={"items": [{"prompt": "x" * 30_000}] * 40})
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    assert "as a file" in large.json()["detail"]


def test_columns_become_prompts_and_invalid_lines_are_reported(client: httpx.Client, model: ModelServer) -> None:
    mark = uuid.uuid4().hex
    text = f"custom_id,host\na,{mark}-web\nb,{mark}-db,x\n"
    refused = send(client, text, name="hosts.csv", template="Look at {{host}}.")
    assert ended(client, refused)["error"]["code"] == "invalid_batch"
    taken = send(client, text, name="hosts.csv", template="Look at {{host}}.", policy="skip_invalid")
    assert ended(client, taken)["counts"]["invalid"] == 1
    reason = "The line has 3 cells; the header 2: put texts that contain a comma in quotes."
    assert results(client, taken, "errors")[0]["error"]["detail"] == reason
    assert f"Look at {mark}-web." in model.calls
    assert f"Look at {mark}-db." not in model.calls


def test_a_failure_that_may_pass_is_tried_again_and_others_can_be_retried(client: httpx.Client) -> None:
    mark = uuid.uuid4().hex
    once, never = (f"{mark} {n} DO {json.dumps({'words': 2, 'fail': f})}" for n, f in enumerate([[500] * 3, [401]]))
    batch = send(client, "".join(json.dumps({"prompt": p}) + "\n" for p in (once, never)))
    whole = ended(client, batch)
    assert (whole["counts"]["succeeded"], whole["counts"]["failed"]) == (1, 1)
    assert results(client, batch)[0]["tries"] == 2
    assert results(client, batch, "errors")[0]["error"]["code"] == "model_key_refused"
    assert client.post(f"{batch['links']['self']}retry/").json()["items"] == 1
    assert ended(client, batch)["counts"]["succeeded"] == 2


def test_answers_are_held_against_the_schema_and_asked_for_once_more(client: httpx.Client, model: ModelServer) -> None:
    mark = uuid.uuid4().hex
    said = [
        ['{"severity": 1}'],
        ["It is severe.", '```json\n{"severity": 2}\n```'],
        ['{"severity": "x"}', "{}", '{"severity": 3}'],
    ]
    prompts = [f"{mark} {n} DO {json.dumps({'answers': answers})}" for n, answers in enumerate(said)]
    schema = {"type": "object", "properties": {"severity": {"type": "integer"}}, "required": ["severity"]}
    text = "".join(json.dumps({"prompt": p}) + "\n" for p in prompts)
    batch = send(client, text, response_schema=schema)
    whole = ended(client, batch)
    assert (whole["counts"]["succeeded"], whole["counts"]["failed"]) == (2, 1)
    assert [one["value"] for one in results(client, batch)] == [{"severity": 1}, {"severity": 2}]
    (error,) = [one["error"] for one in results(client, batch, "errors")]
    assert error["code"] == "answer_invalid"
    assert '"severity" is a required property' in error["detail"]
    assert [model.calls[p] for p in prompts] == [1, 2, 2]
    assert results(client, batch)[1]["usage"]["input_tokens"] == 14
    bad = {"options": json.dumps({"response_schema": {"$ref": "http://127.0.0.1/x"}})}
    refused = client.post("/api/batches/", files={"file": ("a.jsonl", text)}, data=bad)
    assert "Not a JSON Schema" in refused.json()["errors"]["response_schema"][0]
    deep = {"options": "[" * 50_000}
    assert client.post("/api/batches/", files={"file": ("a.jsonl", text)}, data=deep).json()["code"] == "invalid_json"


def test_an_answer_with_a_schema_is_its_last_words_alone_and_one_that_is_no_json_spoils_no_file(
    client: httpx.Client,
) -> None:
    mark = uuid.uuid4().hex
    call = {"call": "host_uptime", "id": mark, "before": "I will look at the machine first."}
    does = [{**call, "answers": ['{"ok": true}']}]
    does += [{"answers": [said]} for said in ('{"ok": NaN}', '{"ok": 1e999}', '{"ok": "\\ud83d"}')]
    text = "".join(json.dumps({"prompt": f"{mark} {n} DO {json.dumps(do)}"}) + "\n" for n, do in enumerate(does))
    batch = send(client, text, response_schema={"type": "object", "required": ["ok"]})
    ended(client, batch)
    (good,) = results(client, batch)
    assert (good["answer"], good["value"]) == ('{"ok": true}', {"ok": True})
    run = client.get(f"/api/runs/{good['run']}/").json()
    assert (run["answer"], [step["tool"] for step in run["steps"]]) == ('{"ok": true}', ["uptime"])
    codes = [item["error"]["code"] for item in results(client, batch, "errors")]
    assert codes == ["answer_invalid"] * 3
    items = client.get(f"{batch['links']['items']}").json()["results"]
    assert [item["state"] for item in items] == ["succeeded", *["failed"] * 3]
    assert client.get(f"/api/batches/{batch['id']}/results/", params={"as": "csv"}).text.count("\n") == 2


def test_an_item_that_comes_with_earlier_messages_has_forgotten_nothing(client: httpx.Client) -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    item = {"messages": [*said, {"role": "user", "content": 'c DO {"words": 2}'}]}
    batch = client.post("/api/batches/", json={"items": [item]}).json()
    ended(client, batch)
    (answered,) = results(client, batch)
    notices = client.get(f"/api/runs/{answered['run']}/").json()["notices"]
    assert "memory_rebuilt" not in {notice["code"] for notice in notices}


def test_cancel_keeps_what_is_done_and_resume_finishes(client: httpx.Client) -> None:
    batch = send(client, lines(60, words=20, pause=0.02), max_concurrency=8)
    eventually(lambda: client.get(batch["links"]["self"]).json()["counts"]["succeeded"] > 3, what="the first answers")
    assert client.delete(batch["links"]["self"]).json()["code"] == "batch_busy"
    assert client.post(batch["links"]["cancel"]).json()["state"] == "cancelling"
    stopped = ended(client, batch)
    assert stopped["state"] == "cancelled"
    kept = stopped["counts"]["succeeded"]
    assert kept >= 3
    assert stopped["counts"]["cancelled"] == 60 - kept
    assert client.post(batch["links"]["cancel"]).json()["code"] == "batch_ended"
    assert client.post(f"{batch['links']['self']}resume/").json()["items"] == 60 - kept
    assert ended(client, batch)["counts"]["succeeded"] == 60
    assert client.delete(batch["links"]["self"]).status_code == 204
    assert client.get(batch["links"]["self"]).status_code == 404


def test_people_who_chat_do_not_wait_behind_a_batch(client: httpx.Client, system: System) -> None:
    batch = send(client, lines(400, words=10, pause=0.05))
    eventually(lambda: client.get(batch["links"]["self"]).json()["counts"]["running"] > 20, what="the batch's start")
    accepted = system.ask("hello", {"words": 3})
    assert accepted["run"]["state"] == "queued"
    assert system.ended(accepted["run"]["id"], within_s=8)["state"] == "succeeded"
    assert client.get(batch["links"]["self"]).json()["counts"]["pending"] > 0
    client.post(batch["links"]["cancel"])
    ended(client, batch)


def test_batches_of_another_user_are_not_found_and_lists_of_runs_name_their_source(
    client: httpx.Client, system: System, stranger: str
) -> None:
    batch = send(client, lines(2))
    ended(client, batch)
    item = client.get(batch["links"]["items"]).json()["results"][0]
    runs = client.get("/api/runs/", params={"limit": 200, "source": "batch"}).json()["results"]
    assert item["run"] in {run["id"] for run in runs}
    chats = client.get("/api/runs/", params={"limit": 200, "source": "chat"}).json()["results"]
    assert item["run"] not in {run["id"] for run in chats}
    with system.client(stranger) as eve:
        for link in batch["links"].values():
            answer = eve.post(link) if link.endswith("cancel/") else eve.get(link)
            assert answer.status_code == 404, link
        assert eve.get("/api/batches/").json()["results"] == []
        assert eve.get(f"/api/runs/{item['run']}/").status_code == 404


def test_the_same_file_with_the_same_key_is_one_batch(client: httpx.Client) -> None:
    text, headers = lines(1), {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (client.post("/api/batches/", files={"file": ("a.jsonl", text)}, headers=headers) for _ in "12")
    assert first.json()["id"] == second.json()["id"]
    other = client.post("/api/batches/", files={"file": ("a.jsonl", lines(1))}, headers=headers)
    assert other.status_code == 422


def test_a_file_above_the_limit_is_refused_before_it_is_read(system: System) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=10)
    connection.putrequest("POST", "/api/batches/")
    for name, value in {"Authorization": f"Bearer {system.token}", "Content-Length": "60000000"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
