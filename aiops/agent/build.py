"""Assembles the agent of one run from plain values: model, tools, middleware, prompt, memory.

Compiling a graph costs twice the processor time of a turn, so runs with the same values share a compiled graph. Each
run gets its own memory and passes its watcher as ``context``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from langchain.agents import create_agent
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from aiops.agent.chain import chain
from aiops.agent.middleware.answer_schema import INSTRUCTION
from aiops.agent.ports import Tools
from aiops.agent.values import MISSING, PROMPT, Limits
from aiops.events.redaction import Redactor
from aiops.llm.client import Client
from aiops.llm.pacing import Pacer
from aiops.llm.values import ModelSpec
from aiops.system_prompts import fields
from aiops.tool_servers.client.listing import as_langchain
from aiops.tool_servers.client.pool import Catalogue
from aiops.tool_servers.client.values import RemoteTool

NO_DATE = date.min
"""Of prompts that have no fields."""
STEPS_PER_CALL, STEPS_PER_ROW = 12, 2
"""Graph steps allowed for one model call and its tools, for LangGraph's recursion limit; each middleware of a model's
rows may add one before and one after the call.
"""


def build(
    client: Client,
    catalogue: Catalogue,
    *,
    tools: Tools,
    limits: Limits,
    redactor: Redactor,
    memory: BaseCheckpointSaver[Any],
    pacer: Pacer | None = None,
    answer_schema: str = "",
    instructed: bool = False,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the agent; its middleware expects the run's Watcher as ``context`` of ``astream``.

    ``answer_schema`` is a JSON Schema, as JSON, that the last answer must fit; empty: any text. ``instructed``: the
    Watcher has instructions. ``pacer`` makes model calls wait for their turn among the calls of all processes.
    """
    # Reasons differ from run to run; as part of the cache key they would cause a compilation for each.
    missing = tuple(one.server for one in catalogue.missing)
    today = datetime.now(UTC).date() if client.spec.prompt is not None else NO_DATE
    rows: tuple[Any, ...] = client.chain.rows if client.chain is not None else ()
    graph = _compiled(
        client, rows, catalogue.tools, missing, tools, limits, redactor, pacer, answer_schema, instructed, today
    )
    return graph.copy({"checkpointer": memory})


@functools.lru_cache(maxsize=32)
def _compiled(
    client: Client,
    rows: tuple[Any, ...],
    offered: tuple[RemoteTool, ...],
    missing: tuple[str, ...],
    tools: Tools,
    limits: Limits,
    redactor: Redactor,
    pacer: Pacer | None,
    answer_schema: str,
    instructed: bool,
    today: date,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph: CompiledStateGraph[Any, Any, Any, Any] = create_agent(
        client.model,
        [as_langchain(tool) for tool in offered],
        system_prompt=_prompt(client.spec, offered, missing, answer_schema, today),
        middleware=chain(
            client.spec,
            rows,
            offered,
            missing,
            tools,
            limits,
            redactor,
            pacer=pacer,
            answer_schema=answer_schema,
            instructed=instructed,
        ),
    )
    return graph.with_config(recursion_limit=limits.model_calls * (STEPS_PER_CALL + STEPS_PER_ROW * len(rows)))


def _prompt(
    spec: ModelSpec, offered: Sequence[RemoteTool], missing: tuple[str, ...], answer_schema: str, today: date
) -> str:
    unavailable = MISSING.format(names=", ".join(missing)) if missing else ""
    text = PROMPT
    if spec.prompt is not None:
        values = {
            "current_date": today.isoformat(),
            "current_month": f"{today:%B %Y}",
            "model_name": spec.name,
            "tool_names": ", ".join(tool.name for tool in offered) or "none",
        }
        text = fields.fill(spec.prompt.text, values)
    return text + unavailable + (INSTRUCTION.format(schema=answer_schema) if answer_schema else "")


def durability(catalogue: Catalogue) -> Literal["exit", "sync"]:
    """Return when to write memory: before each step if a tool can change something, otherwise once at the end."""
    return "exit" if all(tool.read_only for tool in catalogue.tools) else "sync"
