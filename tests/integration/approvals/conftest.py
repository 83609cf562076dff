"""A conversation whose scripted model calls tools that people must decide about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.functions import Now

from aiops import dispatch, keyspace
from aiops.agent import build
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.values import Limits
from aiops.approvals.deciding import Decided, decide
from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import Choice
from aiops.batches import lifecycle as batches
from aiops.batches import validation
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch, Item
from aiops.events import types
from aiops.llm import clients
from aiops.llm.environment import OFFLINE_MODEL
from aiops.people.models import User
from aiops.runs import recovery, transitions
from aiops.runs.models import Run
from aiops.runs.work import rows, story
from aiops.runs.work.stopping import Stop
from aiops.tool_servers.client.pool import Catalogue
from aiops.tool_servers.client.values import RemoteTool, ToolClass, ToolResult
from tests.integration.run_context import run_context
from tests.integration.scripted_model import ScriptedModel, Turn, calling
from tests.models import gives, only

RESTART_A = calling("net_restart", '{"host": "a"}')
LIMITS = Limits(10, 10, 10, 1, 10, 10_000, 10_000)
SCHEMA = {"type": "object", "properties": {"host": {"type": "string"}}, "required": ["host"]}
LOOK = RemoteTool("net_look", "net", "look", "Look.", {"type": "object"}, tool_class=ToolClass.READ)
RESTART = RemoteTool("net_restart", "net", "restart", "Restart a host.", SCHEMA, tool_class=ToolClass.WRITE)
WIPE = RemoteTool("net_wipe", "net", "wipe", "Wipe a host.", SCHEMA, tool_class=ToolClass.DESTRUCTIVE)


class Died(BaseException):
    """The process ends here."""


def die() -> None:
    raise Died


def lose_lease(run: Run) -> None:
    """Let the run be taken back from a worker that is silent."""
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    fence = Run.objects.values_list("fence", flat=True).get(pk=run.pk)
    assert recovery.take_back(str(run.pk), fence=fence, max_attempts=5) is not None


class Tools:
    """A pool whose calls are counted; ``fail`` may raise in the middle of one."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.offered: tuple[RemoteTool, ...] = (LOOK, RESTART, WIPE)
        self.fail: Callable[[], Any] = lambda: None

    async def catalogue(self, **_: Any) -> Catalogue:
        return Catalogue(self.offered, ())

    async def call(self, tool: RemoteTool, arguments: dict[str, Any], **_: Any) -> ToolResult:
        self.made.append((tool.remote_name, arguments))
        found = self.fail()
        if asyncio.iscoroutine(found):
            await found
        return ToolResult(f"{tool.remote_name} of {arguments.get('host')} done")


class Asker:
    """Lets a worker answer a run, and people decide about it."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.tools: Tools = context.tools

    async def work(self, run: Run, stop: Stop | None = None) -> Run:
        """Claim the run and let a worker go through it; return its row."""
        made = await self.of(transitions.claim, str(run.pk), worker="w", lease_s=60)
        assert made is not None, "the run cannot be claimed"
        assignment = await self.of(rows.assignment, made, batches.schema_of, only(OFFLINE_MODEL))
        await story.answer(assignment, self.context, stop or Stop())
        return await self.of(Run.objects.get, pk=run.pk)

    async def of(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await self.context.in_thread(lambda: function(*args, **options))

    async def pending(self, run: Run) -> tuple[Approval, list[ApprovalItem]]:
        """Return what waits, with its items."""
        approval = await self.of(Approval.objects.get, run=run, state="pending")
        return approval, await self.of(lambda: list(approval.items.all()))

    async def decide(self, user: User, run: Run, *choices: str | dict[str, Any]) -> Approval:
        """Decide about the waiting items, in their order: a choice, or one with its fields."""
        approval, items = await self.pending(run)
        given = [
            Decided(item.pk, Choice(one)) if isinstance(one, str) else Decided(item.pk, **one)
            for item, one in zip(items, choices, strict=True)
        ]
        return await self.of(decide, user, approval.pk, given)

    async def events(self, run: Run) -> list[types.Event]:
        entries = await self.context.redis.xrange(keyspace.events(str(run.pk)))
        return [types.Event.loads(entry[b"e"]) for _, entry in entries]

    def forget(self) -> None:
        """Lose all memory of agents, as a flushed Redis does."""
        saver = ProcessSaver()
        self.context.memory = lambda: saver


@pytest.fixture
async def asker(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asker]:
    async with run_context(Tools(), LIMITS) as context:
        yield Asker(context)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedModel]]:
    """Give every model call its turn; the model is returned, whose ``turns`` are those that are left."""

    def make(*turns: Turn) -> ScriptedModel:
        build._compiled.cache_clear()
        model = ScriptedModel(turns=list(turns))
        monkeypatch.setattr(clients, "make", gives(model))
        return model

    yield make
    build._compiled.cache_clear()


@pytest.fixture
def approver(db: None) -> User:
    """Somebody who may decide about calls that destroy."""
    made = User.objects.create_user("bob", password="correct-horse-battery", email="bob@example.org")
    made.groups.add(Group.objects.get_or_create(name="approvers")[0])
    return made


@pytest.fixture
def batch(user: User, monkeypatch: pytest.MonkeyPatch, sent: list[str]) -> Callable[..., Batch]:
    monkeypatch.setattr(dispatch, "validate", lambda _: True)

    def make(*prompts: str, **options: Any) -> Batch:
        lines = "".join(f'{{"custom_id": "{n}", "prompt": "{one}"}}\n' for n, one in enumerate(prompts))
        plan = Plan(
            name="b",
            format="jsonl",
            policy="all_or_nothing",
            template="",
            response_schema=None,
            defaults={},
            completion_window_s=3_600,
            **{"max_concurrency": 1, **options},
        )
        with transaction.atomic():
            made = batches.make(user, plan, [lines.encode()], most=10)
        validation.validate(str(made.pk), django_settings.SETTINGS)
        made.refresh_from_db()
        return made

    return make


def run_of(batch: Batch, number: int) -> Run | None:
    return Item.objects.select_related("run").get(batch=batch, number=number).run
