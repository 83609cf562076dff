"""A conversation as a file: Markdown and JSON, whole, in order, and only for its owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from aiops.conversations import streams
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.transitions import Ending
from aiops.web.doors import front
from aiops.web.doors.handler import Handler
from tests.integration.conftest import Ask
from tests.integration.test_versions import answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def web(user: User) -> Iterator[TestClient]:
    token = tokens.issue(user, name="test")[1]
    with TestClient(front.make(Handler()), base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def talked(ask: Ask) -> Run:
    first = answer(ask("how full is /?"), "`/` is **41 %** full")
    failed = ask("and db01?", first.conversation_id)
    claimed = transitions.claim(str(failed.pk), worker="w", lease_s=10)
    assert claimed is not None
    step = {"call_id": "c", "server": "host", "tool": "disks", "arguments": {"at": "/"}, "status": "error", "ms": 3.0}
    transitions.finish(
        claimed.claim,
        Ending(
            State.FAILED,
            "",
            steps=[{**step, "preview": "no", "name": "host_disks", "safe": True}],
            notices=[{"code": "tool_failed", "text": "disks failed"}],
            error={"code": "model_error", "detail": "The model said 500.", "retry": True},
        ),
    )
    return first


def test_markdown_has_questions_answers_tools_and_failures_in_order(web: TestClient, talked: Run) -> None:
    response = web.get(f"/api/conversations/{talked.conversation_id}/export/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-disposition"].endswith(f'"conversation-{talked.conversation_id}.md"')
    text = response.text
    parts = [
        "# how full is /?\n",
        "## Question, 20",
        "\n\nhow full is /?\n",
        "## Answer, 20",
        "`/` is **41 %** full",
        "and db01?",
        "Tool: host disks, error",
        "> disks failed",
        "> The run is failed: The model said 500.",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_json_has_each_message_and_its_run(web: TestClient, talked: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAGE", 2)
    body = web.get(f"/api/conversations/{talked.conversation_id}/export/?as=json").json()
    assert (body["id"], body["title"]) == (str(talked.conversation_id), "how full is /?")
    assert [(m["role"], m["text"]) for m in body["messages"]] == [
        ("user", "how full is /?"),
        ("assistant", "`/` is **41 %** full"),
        ("user", "and db01?"),
    ]
    assert body["messages"][0]["run"]["state"] == "succeeded"
    assert "run" not in body["messages"][1]
    failed = body["messages"][2]["run"]
    assert failed["error"]["detail"] == "The model said 500."
    assert failed["steps"][0]["arguments"] == {"at": "/"}
    assert set(failed["steps"][0]) == {"call_id", "server", "tool", "arguments", "status", "ms", "preview"}


def test_an_empty_conversation_is_a_file_too(web: TestClient) -> None:
    made = web.post("/api/conversations/", json={"title": "new"}).json()["id"]
    assert web.get(f"/api/conversations/{made}/export/?as=json").json()["messages"] == []
    assert web.get(f"/api/conversations/{made}/export/").text == "# new\n"


def test_other_forms_parameters_and_readers_are_refused(web: TestClient, talked: Run) -> None:
    here = f"/api/conversations/{talked.conversation_id}/export/"
    assert web.get(f"{here}?as=pdf").json()["errors"] == {"as": ["One of markdown, json."]}
    assert web.get(f"{here}?to=me").status_code == 400
    bob = tokens.issue(User.objects.create_user("bob"), name="t")[1]
    assert web.get(here, headers={"authorization": f"Bearer {bob}"}).status_code == 404
    assert web.get("/api/conversations/x/export/").status_code == 404
