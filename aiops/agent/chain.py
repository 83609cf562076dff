"""The built-in middleware of every agent, as one ordered list: the first is outermost, the last nearest the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, ToolCallLimitMiddleware

from aiops.agent import chain_rows
from aiops.agent.middleware.answer_schema import AnswerSchema
from aiops.agent.middleware.approval import Approval, Permission
from aiops.agent.middleware.calls_per_run import CallsPerRun
from aiops.agent.middleware.concessions import Concessions
from aiops.agent.middleware.instructions import Instructions
from aiops.agent.middleware.model_call import ModelCall
from aiops.agent.middleware.model_pacing import ModelPacing
from aiops.agent.middleware.model_retry import ModelRetry
from aiops.agent.middleware.redaction import Redaction
from aiops.agent.middleware.repair import Repair
from aiops.agent.middleware.steps import Steps
from aiops.agent.middleware.tool_call import ToolCall
from aiops.agent.middleware.truncation import Truncation
from aiops.agent.middleware.user_name import UserName
from aiops.agent.middleware.window import Window
from aiops.agent.ports import Tools
from aiops.agent.values import Limits
from aiops.chains.langchain_types import MODEL_LIMIT, TOOL_LIMIT
from aiops.events.redaction import Redactor
from aiops.llm.pacing import Pacer
from aiops.llm.values import ModelSpec
from aiops.system_prompts import fields
from aiops.tool_servers.client.values import RemoteTool


def chain(
    spec: ModelSpec,
    rows: Sequence[AgentMiddleware[Any, Any]],
    offered: Sequence[RemoteTool],
    missing: tuple[str, ...],
    tools: Tools,
    limits: Limits,
    redactor: Redactor,
    *,
    pacer: Pacer | None,
    answer_schema: str,
    instructed: bool,
) -> list[AgentMiddleware[Any, Any]]:
    """Return the middleware for these values, without those that they make unnecessary."""
    catalogue = {tool.name: tool for tool in offered}
    every: tuple[AgentMiddleware[Any, Any] | None, ...] = (
        Approval(catalogue) if catalogue else None,  # a step that was decided about goes past all that ask a model
        Repair(),  # before anything reads the messages: providers refuse tool calls without results
        ModelCallLimitMiddleware(**chain_rows.limit(spec, MODEL_LIMIT, limits.model_calls), exit_behavior="error"),
        ToolCallLimitMiddleware(**chain_rows.limit(spec, TOOL_LIMIT, limits.tool_calls)),
        UserName() if spec.prompt is not None and fields.uses(spec.prompt.text, fields.USER) else None,
        Instructions() if instructed else None,
        AnswerSchema(answer_schema) if answer_schema else None,
        Permission(catalogue) if catalogue else None,  # outermost around tools: nothing is called past it
        Steps(catalogue),  # outside the next ones: people see the result that the model gets
        CallsPerRun(catalogue),
        Truncation(catalogue, max_bytes=limits.tool_result_bytes),
        Redaction(redactor),
        *rows,  # those of the model's rows, by priority: around all attempts of a call
        ModelRetry(spec, tries=chain_rows.tries(spec, limits.model_tries)),
        Concessions(),
        # Behind rows, so that they can summarize what it would drop.
        Window(budget_tokens=min(limits.context_tokens, spec.context_window or limits.context_tokens)),
        # Inside retry, so that each attempt waits for its turn; outside the call, whose limit must not count waiting.
        ModelPacing(spec, pacer, patience_s=limits.model_patience_s) if pacer is not None else None,
        ToolCall(tools, catalogue, missing),  # innermost around tools: it makes the call itself
        ModelCall(spec, idle_s=limits.model_timeout_s),  # innermost: it asks the model itself
    )
    return [middleware for middleware in every if middleware is not None]
