"""Runs of a model with middleware of its own, and scripted models for the main one and for those that help it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from aiops.agent import build
from aiops.agent.values import Limits
from aiops.batches import lifecycle as batches
from aiops.chains.types import BUILT_IN
from aiops.chains.values import model_fields
from aiops.conversations.models import Conversation
from aiops.llm import clients
from aiops.llm.client import Client
from aiops.llm.pacing import Pacer
from aiops.llm.values import MiddlewareSpec, Models, ModelSpec, Pace, Price
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.work import rows, story
from aiops.runs.work.stopping import Stop
from aiops.tool_servers.client.pool import Catalogue
from aiops.tool_servers.client.values import RemoteTool, ToolClass, ToolResult
from tests.integration.run_context import run_context
from tests.integration.scripted_model import ScriptedModel
from tests.models import STUB, client_of

LIMITS = Limits(5, 5, 10, 1, 10, 10_000, 10_000)
TOOLS = tuple(
    RemoteTool(f"net_{name}", "net", name, name, {"type": "object"}, tool_class=ToolClass.READ)
    for name in ("look", "list")
)
HELPER = dataclasses.replace(STUB, name="helper", pace=Pace(concurrency=1), price=Price(Decimal(10), Decimal(20)))


class Tools:
    """A pool of two tools."""

    async def catalogue(self, **_: Any) -> Catalogue:
        return Catalogue(TOOLS, ())

    async def call(self, *_: Any, **__: Any) -> ToolResult:
        return ToolResult("ann@example.org is on duty")


class Seeing(ScriptedModel):
    """Remembers what it was asked and which tools it was offered."""

    asked: list[Any] = []
    offered: list[Any] = []
    systems: list[Any] = []

    def bind_tools(self, tools: Any, **_: Any) -> Seeing:
        self.offered.append([convert_to_openai_tool(tool)["function"]["name"] for tool in tools])
        return self

    async def _astream(self, messages: Any, *args: Any, **more: Any) -> Any:
        self.systems.extend(message.content for message in messages if message.type == "system")
        self.asked.append([str(message.text) for message in messages if message.type != "system"])
        async for chunk in super()._astream(messages, *args, **more):
            yield chunk


class Helper(BaseChatModel):
    """Answers what middleware asks, with the tools that it is to choose; or fails."""

    failure: Any = None
    chosen: list[str] = []
    schema_name: str = ""
    says: str = "They asked before."
    delay_s: float = 0

    @property
    def _llm_type(self) -> str:
        return "helper"

    def bind_tools(self, tools: Any, **_: Any) -> Helper:
        self.schema_name = convert_to_openai_tool(tools[0])["function"]["name"]
        return self

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        time.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        calls = [{"name": self.schema_name, "args": {"tools": self.chosen}, "id": "1"}] if self.schema_name else []
        used = UsageMetadata(input_tokens=1_000, output_tokens=1_000, total_tokens=2_000)
        said = AIMessage(self.says, tool_calls=calls, usage_metadata=used)
        return ChatResult(generations=[ChatGeneration(message=said)])


def row(name: str, *, critical: bool = False, **config: Any) -> MiddlewareSpec:
    kind = BUILT_IN[name]
    named = (("helper", HELPER),) if "helper" in json.dumps(config) else ()
    whole = json.dumps({**kind.default, **config})
    return MiddlewareSpec(name, kind.path, whole, critical, model_fields(kind.schema), named)


async def answered(
    ask: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    chain: MiddlewareSpec,
    models: Mapping[str, BaseChatModel],
    *questions: str,
    paced: bool = False,
) -> Run:
    """Return the run of the last question to a model with this chain."""
    spec = dataclasses.replace(STUB, name="main", chain=(chain,), price=Price(Decimal(0), Decimal(0)))

    async def make(wanted: ModelSpec, settings: Any, *, timeout_s: float) -> Client:
        return client_of(models[wanted.name], wanted)

    monkeypatch.setattr(clients, "make", make)
    build._compiled.cache_clear()
    conversation: Conversation | None = None
    async with run_context(Tools(), LIMITS) as context:
        if paced:
            context.pacer = Pacer(context.redis, Pace(), background=False, hold_s=5)
        for question in questions or ("hello",):

            def claim(text: str = question, again: Conversation | None = conversation) -> Any:
                run = ask(text, conversation=again.pk) if again is not None else ask(text)
                return transitions.claim(str(run.pk), worker="w", lease_s=60)

            claimed = await context.in_thread(claim)
            assignment = await context.in_thread(rows.assignment, claimed, batches.schema_of, Models((spec,), spec))
            await story.answer(assignment, context, Stop())
            run: Run = await context.in_thread(lambda pk=claimed.claim.run_id: _run(pk))
            conversation = run.message.conversation
    build._compiled.cache_clear()
    return run


def _run(pk: str) -> Run:
    return Run.objects.select_related("message__conversation").get(pk=pk)


def notices(run: Run) -> list[str]:
    return [notice["code"] for notice in run.notices]
