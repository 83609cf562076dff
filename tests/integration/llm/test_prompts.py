"""System prompts: versions, rights, use by models, and what the model gets of them."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from aiops.agent import build
from aiops.agent.values import PROMPT, Limits
from aiops.events.redaction import Redactor
from aiops.llm import snapshot
from aiops.llm.values import ModelSpec, PromptSpec
from aiops.system_prompts.models import PromptVersion, SystemPrompt
from aiops.tool_servers.client.pool import Catalogue, ToolPool
from aiops.tool_servers.client.values import CallLimits, RemoteTool, ToolClass
from tests.consent import NobodyAsked
from tests.integration.llm.rows import editor, model, provider
from tests.integration.scripted_model import ScriptedModel, words
from tests.integration.secrets.calls import Call, calls, grown
from tests.integration.tool_servers.rows import lab
from tests.models import client_of

pytestmark = pytest.mark.django_db(transaction=True)
PROMPTS = "/api/system-prompts/"
RIGHTS = [f"{verb}_systemprompt" for verb in ("view", "add", "change", "delete")]


@pytest.fixture
def call() -> Call:
    return editor("eve", *RIGHTS)


def test_each_change_of_the_text_is_a_version_with_its_author(call: Call) -> None:
    made = call("POST", PROMPTS, {"name": "night", "prompt_text": "one"}).json()
    assert (made["status"], made["version"]) == ("draft", 1)
    path = f"{PROMPTS}{made['id']}/"
    assert call("PATCH", path, {"status": "approved"}).json()["version"] == 1
    assert call("PATCH", path, {"prompt_text": "two"}).json()["version"] == 2
    assert call("PATCH", path, {"prompt_text": "two"}).json()["version"] == 2, "nothing was changed"
    versions = call("GET", f"{path}versions/").json()["results"]
    assert [(one["number"], one["prompt_text"], one["author"]) for one in versions] == [
        (2, "two", "eve"),
        (1, "one", "eve"),
    ]
    changes = [entry["changes"] for entry in call("GET", f"{path}history/").json()["results"]]
    assert changes[0]["prompt_text"] == ["one", "two"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt_text": "{city}"}, "prompt_text"),
        ({"prompt_text": " "}, "prompt_text"),
        ({"prompt_text": "x" * 40_000}, "prompt_text"),
        ({"name": "taken"}, "name"),
        ({"name": "a\tb"}, "name"),
        ({"status": "final"}, "status"),
        ({"version": 7}, "version"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_by_field(call: Call, body: dict[str, object], field: str) -> None:
    SystemPrompt.objects.create(name="taken", prompt_text="x")
    answer = call("POST", PROMPTS, {"name": "p", "prompt_text": "text", **body})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert PromptVersion.objects.count() == 0


def test_models_use_approved_prompts_alone_and_keep_them(call: Call) -> None:
    prompt = SystemPrompt.objects.create(name="night", prompt_text="Hi {user}")
    made = model("m", provider())
    refused = call("PATCH", f"{made.pk}/", {"system_prompt": "night"})
    assert "is draft: approve it" in str(refused.json()["errors"]["system_prompt"])
    call("PATCH", f"{PROMPTS}{prompt.pk}/", {"status": "approved"})
    assert call("PATCH", f"{made.pk}/", {"system_prompt": "night"}).json()["system_prompt"] == "night"
    for method, body in (("PATCH", {"status": "retired"}), ("PATCH", {"status": "draft"}), ("DELETE", None)):
        answer = call(method, f"{PROMPTS}{prompt.pk}/", body)
        assert (answer.status_code, "the model m" in answer.json()["detail"]) == (409, True)
    spec = snapshot.read(lab()).specs[0]
    assert spec.prompt == PromptSpec("night", 1, "Hi {user}")
    assert call("PATCH", f"{PROMPTS}{prompt.pk}/", {"prompt_text": "Hello"}).status_code == 200
    assert snapshot.read(lab()).specs[0].prompt.label == "night:2"
    assert call("PATCH", f"{made.pk}/", {"system_prompt": None}).status_code == 200
    assert call("DELETE", f"{PROMPTS}{prompt.pk}/").status_code == 204


def test_who_may_not_sees_no_prompt(call: Call) -> None:
    assert calls(grown("nob"))("GET", PROMPTS).status_code == 403
    reader = calls(grown("rea", "view_systemprompt"))
    assert reader("GET", PROMPTS).status_code == 200
    assert reader("POST", PROMPTS, {"name": "x", "prompt_text": "y"}).status_code == 403


class Named:
    """A watcher of one asker."""

    instructions = ""

    def __init__(self, user_name: str) -> None:
        self.user_name = user_name
        self.consent = NobodyAsked()

    async def say(self, text: str) -> None:
        """Nobody watches."""


TOOL = RemoteTool("t_look", "t", "look", "Look.", {"type": "object", "properties": {}}, tool_class=ToolClass.READ)


async def test_a_model_gets_its_prompt_with_the_fields_of_this_run() -> None:
    seen: list[str] = []

    class Recording(ScriptedModel):
        async def _astream(self, messages, *args, **more):  # type: ignore[no-untyped-def]
            seen.append(str(messages[0].text))
            async for chunk in super()._astream(messages, *args, **more):
                yield chunk

    text = "{model_name} helps {user} with {tool_names}; {{x}}"
    spec = ModelSpec("ollama", "stub", prompt=PromptSpec("p", 1, text))
    pool, redactor, limits = ToolPool([], limits=CallLimits(1, 1)), Redactor(), Limits(5, 5, 10, 1, 10, 1_000, 1_000)
    for one, expected in (
        (spec, "stub helps ann with t_look; {x}"),
        (spec, "stub helps bob with t_look; {x}"),
        (ModelSpec("ollama", "stub"), PROMPT),
    ):
        agent = build.build(
            client_of(Recording(turns=[words("a")]), one),
            Catalogue((TOOL,), ()),
            tools=pool,
            limits=limits,
            redactor=redactor,
            memory=InMemorySaver(),
        )
        watcher = Named("bob" if "bob" in expected else "ann")
        given = {"messages": [HumanMessage("hi")]}
        await agent.ainvoke(given, {"configurable": {"thread_id": "x"}}, context=watcher)
        assert seen.pop() == expected
