"""Assembles the agent of one run from plain values: model, tools, middleware in priority order, prompt, memory.

Compiling a graph costs twice the processor time of a turn, so runs of the same making share one: what differs between
them, the watcher and the saver, is given to each.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, ToolCallLimitMiddleware
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from aiops.agent.llm import handlers
from aiops.agent.llm.pacing import Pacer
from aiops.agent.middleware.answer_schema import WISH, AnswerSchema
from aiops.agent.middleware.model_pacing import ModelPacing
from aiops.agent.middleware.model_retry import ModelRetry
from aiops.agent.middleware.model_timeout import ModelTimeout
from aiops.agent.middleware.redaction import Redaction
from aiops.agent.middleware.repair import Repair
from aiops.agent.middleware.steps import Steps
from aiops.agent.middleware.tool_errors import ToolErrors
from aiops.agent.middleware.truncation import Truncation
from aiops.agent.middleware.window import Window
from aiops.agent.ports import Tools, Watcher
from aiops.agent.values import MISSING, PROMPT, Limits, ModelSpec
from aiops.events.redaction import Redactor
from aiops.tools.pool import Catalogue
from aiops.tools.values import RemoteTool

LIMITS_PRIORITY = 20
STEPS_PER_CALL = 12
"""Graph steps that one model call and its tools may take, for LangGraph's own bound."""


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent of one run; middleware finds the run's watcher as LangGraph's ``runtime.context``."""

    graph: CompiledStateGraph[Any, Any, Any, Any]
    watcher: Watcher

    def astream(self, given: Any, config: Any, **options: Any) -> AsyncIterator[Any]:
        """Answer, as the graph's own ``astream`` does."""
        return self.graph.astream(given, config, context=self.watcher, **options)


def build(
    spec: ModelSpec,
    catalogue: Catalogue,
    *,
    tools: Tools,
    watcher: Watcher,
    limits: Limits,
    redactor: Redactor,
    memory: BaseCheckpointSaver[Any],
    pacer: Pacer | None = None,
    answer_schema: str = "",
) -> Agent:
    """Return the agent, whose answer must fit ``answer_schema`` when there is one (JSON Schema, as JSON).

    ``pacer`` makes its model calls wait for their turn among those of all processes.

    Raises RunFailed when the model cannot be made.
    """
    graph = _compiled(replace(spec, reason=""), catalogue, tools, limits, redactor, pacer, answer_schema)
    return Agent(graph.copy({"checkpointer": memory}), watcher)


@functools.lru_cache(maxsize=32)
def _compiled(
    spec: ModelSpec,
    catalogue: Catalogue,
    tools: Tools,
    limits: Limits,
    redactor: Redactor,
    pacer: Pacer | None,
    answer_schema: str,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    model = handlers.make(spec, timeout_s=limits.model_timeout_s)
    ours: list[tuple[int, AgentMiddleware[Any, Any]]] = [
        (m.priority, m)
        for m in (
            Repair(),
            Window(budget_tokens=limits.context_tokens),
            Steps({tool.name: tool for tool in catalogue.tools}),
            Truncation(max_bytes=limits.tool_result_bytes),
            Redaction(redactor),
            ModelRetry(spec, tries=limits.model_tries),
            ModelTimeout(timeout_s=limits.model_timeout_s),
            ToolErrors(),
        )
    ]
    ours += [
        (LIMITS_PRIORITY, ModelCallLimitMiddleware(run_limit=limits.model_calls, exit_behavior="error")),
        (LIMITS_PRIORITY, ToolCallLimitMiddleware(run_limit=limits.tool_calls, exit_behavior="continue")),
    ]
    if pacer is not None:
        ours.append((ModelPacing.priority, ModelPacing(spec, pacer, patience_s=limits.model_patience_s)))
    if answer_schema:
        ours.append((AnswerSchema.priority, AnswerSchema(answer_schema)))
    chain = [middleware for _, middleware in sorted(ours, key=lambda pair: pair[0])]
    graph: CompiledStateGraph[Any, Any, Any, Any] = create_agent(
        model,
        [_as_langchain(tool, tools) for tool in catalogue.tools],
        system_prompt=_prompt(catalogue, answer_schema),
        middleware=chain,
    )
    return graph.with_config(recursion_limit=limits.model_calls * STEPS_PER_CALL)


def _prompt(catalogue: Catalogue, answer_schema: str) -> str:
    names = ", ".join(missing.server for missing in catalogue.missing)
    wish = WISH.format(schema=answer_schema) if answer_schema else ""
    return PROMPT + (MISSING.format(names=names) if names else "") + wish


def durability(catalogue: Catalogue) -> Literal["exit", "sync"]:
    """Return when memory is written: before each step when some tool can change something, else at the end."""
    return "exit" if all(tool.read_only for tool in catalogue.tools) else "sync"


def _as_langchain(tool: RemoteTool, tools: Tools) -> BaseTool:
    async def call(**arguments: Any) -> str:
        result = await tools.call(tool, arguments)
        if result.failed:
            raise ToolException(result.text)
        return result.text

    return StructuredTool(name=tool.name, description=tool.description, args_schema=tool.schema, coroutine=call)
