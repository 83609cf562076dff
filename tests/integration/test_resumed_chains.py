"""A run that is resumed after its model's chain has changed: the step that memory waits for is there no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from aiops.agent import build, chain_rows
from aiops.agent.surroundings import Surroundings
from aiops.batches import lifecycle as batches
from aiops.errors import RunFailed
from aiops.events.redaction import Redactor
from aiops.llm import clients
from aiops.llm.values import Models
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.work import rows, story
from aiops.runs.work.stopping import Stop
from tests.consent import NobodyAsked
from tests.integration.chain_runs import LIMITS, Helper, Tools, row
from tests.integration.run_context import run_context
from tests.integration.scripted_model import ScriptedModel, words
from tests.models import STUB, client_of, gives

pytestmark = pytest.mark.django_db(transaction=True)


async def test_it_is_answered_from_the_beginning(
    ask: Callable[..., Run], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"model": "helper", "trigger": ["messages", 1], "keep": ["messages", 1]}
    failing = dataclasses.replace(STUB, name="main", chain=(row("SummarizationMiddleware", critical=True, **config),))
    client = client_of(ScriptedModel(turns=[]), failing)

    async def helper(_: Any) -> Any:
        return Helper(failure=httpx.ConnectError("refused"))

    async with run_context(Tools(), LIMITS) as context:
        client.chain = await chain_rows.build(Surroundings(failing, None, helper))
        claimed = await context.in_thread(lambda: transitions.claim(str(ask().pk), worker="w", lease_s=60))
        models = Models((STUB,), STUB)
        assignment = await context.in_thread(rows.assignment, claimed, batches.schema_of, models)
        saver: Any = context.memory()
        agent = build.build(
            client,
            await Tools().catalogue(),
            tools=context.tools,
            limits=LIMITS,
            redactor=Redactor(),
            memory=saver,
        )
        asked: Any = {"messages": [HumanMessage("earlier"), HumanMessage("hello", id=assignment.message_id)]}
        where: Any = {
            "configurable": {"thread_id": assignment.conversation_id},
            "metadata": {"run": assignment.claim.run_id},
        }
        with pytest.raises(RunFailed, match="could not summarize"):
            async for _ in agent.astream(
                asked, where, context=SimpleNamespace(consent=NobodyAsked()), stream_mode="updates", durability="sync"
            ):
                pass
        monkeypatch.setattr(clients, "make", gives(ScriptedModel(turns=[words("Hello to you.")])))
        await story.answer(assignment, context, Stop())
        run = await context.in_thread(lambda: Run.objects.get(pk=claimed.claim.run_id))
    build._compiled.cache_clear()
    assert (run.state, run.answer) == (State.SUCCEEDED, "Hello to you."), run.error
