"""The types that are LangChain's own middleware, with schemas that mirror the constructors (langchain 1.4.7).

Left out of the constructors: what only code can be given (counters, callables), and what a run has one of: see
``LEFT_OUT``. Left out of the list: what runs commands or reads files of the worker, what invents results of tools,
second retries and fallbacks of tools, and what only code can configure.
"""

from __future__ import annotations

from typing import Any

from aiops.chains.values import MODEL_FORMAT, BuiltIn

MODULE = "langchain.agents.middleware:"
CONTEXT_EDITING = "ContextEditingMiddleware"
MODEL_LIMIT = "ModelCallLimitMiddleware"
TOOL_LIMIT = "ToolCallLimitMiddleware"
MODEL_FALLBACK = "ModelFallbackMiddleware"
SELECTOR = "LLMToolSelectorMiddleware"
SUMMARIES = "SummarizationMiddleware"
PII = "PIIMiddleware"
HUMAN_IN_THE_LOOP = "HumanInTheLoopMiddleware"

LEFT_OUT = {
    CONTEXT_EDITING: {"token_counter", "token_count_method"},  # most models cannot count, and some ask their server
    SELECTOR: set[str](),
    MODEL_LIMIT: {"exit_behavior"},  # an answer that just ends would look whole
    MODEL_FALLBACK: set[str](),
    HUMAN_IN_THE_LOOP: {
        "description_prefix",
        "edit_notice",
        "interrupt_mode",
    },  # the page of approvals says what is asked
    PII: {"apply_to_output"},  # answers are streamed before it sees them: ValidationMiddleware removes from the stream
    SUMMARIES: {"token_counter", "summarizer", "deprecated_kwargs"},
    "TodoListMiddleware": set[str](),
    TOOL_LIMIT: set[str](),
}
"""Arguments of each constructor that a config cannot have."""

NAME = {"type": "string", "minLength": 1, "maxLength": 200}
NAMES = {"type": "array", "maxItems": 200, "items": NAME}
TEXT = {"type": "string", "minLength": 1, "maxLength": 8_000}
COUNT = {"type": "integer", "minimum": 1, "maximum": 10_000_000}
SMALL = {"type": "integer", "minimum": 0, "maximum": 100}
MODEL = {**NAME, "format": MODEL_FORMAT, "description": "name of a model"}
HELPER = {**MODEL, "description": "name of a model; default: the model itself"}
SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "of the model's context window"}


def _pair(unit: str, amount: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [{"const": unit}, amount], "minItems": 2, "maxItems": 2}


SIZES = [_pair("tokens", COUNT), _pair("messages", COUNT), _pair("fraction", SHARE)]
CLAUSE = {
    "type": "object",
    "properties": {"tokens": COUNT, "messages": COUNT, "fraction": SHARE},
    "additionalProperties": False,
    "minProperties": 1,
}
TRIGGER = {
    "anyOf": [*SIZES, CLAUSE, {"type": "array", "minItems": 1, "maxItems": 10, "items": {"anyOf": [*SIZES, CLAUSE]}}],
    "description": 'when to summarize, such as ["tokens", 10000]; of a list, one is enough',
}

LANGCHAIN = {
    CONTEXT_EDITING: BuiltIn(
        MODULE + CONTEXT_EDITING,
        "Clears older results of tools from what the model gets, when it is more than trigger tokens.",
        {
            "edits": {
                "type": "array",
                "minItems": 1,
                "maxItems": 10,
                "items": {
                    "type": "object",
                    "properties": {
                        "trigger": COUNT,
                        "clear_at_least": {"type": "integer", "minimum": 0},
                        "keep": SMALL,
                        "clear_tool_inputs": {"type": "boolean"},
                        "exclude_tools": NAMES,
                        "placeholder": NAME,
                    },
                    "additionalProperties": False,
                },
            },
        },
        {"edits": [{"trigger": 8_000}]},
    ),
    SELECTOR: BuiltIn(
        MODULE + SELECTOR,
        "Lets a model choose, before each call, the tools that fit the question.",
        {
            "model": HELPER,
            "system_prompt": TEXT,
            "max_tools": {"type": "integer", "minimum": 1, "maximum": 200},
            "always_include": NAMES,
            "max_retries": {"type": "integer", "minimum": 0, "maximum": 3},
            "on_parsing_failure": {"anyOf": [{"enum": ["error", "none", "all"]}, NAMES]},
        },
    ),
    HUMAN_IN_THE_LOOP: BuiltIn(
        MODULE + HUMAN_IN_THE_LOOP,
        "Asks the person whose run it is before these tools are called: the approvals of aiops do it.",
        {
            "interrupt_on": {
                "type": "object",
                "maxProperties": 200,
                "additionalProperties": {"type": "boolean"},
                "description": "name of a tool, with its server's prefix → whether to ask",
            }
        },
        more={"required": ["interrupt_on"]},
    ),
    MODEL_LIMIT: BuiltIn(
        MODULE + MODEL_LIMIT,
        "Lowers how many calls of the model a run makes (run_limit), and limits a whole conversation (thread_limit).",
        {"run_limit": COUNT, "thread_limit": COUNT},
        {"run_limit": 10},
    ),
    MODEL_FALLBACK: BuiltIn(
        MODULE + MODEL_FALLBACK,
        "Names models that answer while the provider is down, behind those that the model's row names.",
        {"first_model": MODEL, "additional_models": {"type": "array", "maxItems": 10, "items": MODEL}},
        more={"required": ["first_model"]},
    ),
    PII: BuiltIn(
        MODULE + PII,
        "Finds personal data in questions and results of tools before the model gets them.",
        {
            "pii_type": {**NAME, "description": "email, credit_card, ip, mac_address, url, or a name of your own"},
            "strategy": {"enum": ["block", "redact", "mask", "hash"]},
            "detector": {**NAME, "description": "pattern to find, for a name of your own"},
            "apply_to_input": {"type": "boolean"},
            "apply_to_tool_results": {"type": "boolean"},
        },
        {"pii_type": "email"},
        {
            "if": {"properties": {"pii_type": {"enum": ["email", "credit_card", "ip", "mac_address", "url"]}}},
            "else": {"required": ["detector"]},
        },
    ),
    SUMMARIES: BuiltIn(
        MODULE + SUMMARIES,
        "Replaces older messages of a conversation, in memory, by a summary that a model writes.",
        {
            "model": HELPER,
            "trigger": TRIGGER,
            "keep": {"anyOf": SIZES, "description": 'what stays as it is, such as ["messages", 20]'},
            "summary_prompt": {
                **TEXT,
                "pattern": r"^(?:[^{}]|\{\{|\}\})*\{messages\}(?:[^{}]|\{\{|\}\})*$",
                "description": "has {messages} once; other braces are doubled",
            },
            "trim_tokens_to_summarize": COUNT,
        },
        {"trigger": ["tokens", 10_000]},
    ),
    "TodoListMiddleware": BuiltIn(
        MODULE + "TodoListMiddleware",
        "Gives the model a tool to write down the steps of a long task.",
        {"system_prompt": TEXT, "tool_description": TEXT},
    ),
    TOOL_LIMIT: BuiltIn(
        MODULE + TOOL_LIMIT,
        "Limits calls of one tool (tool_name), or lowers how many calls of tools a run makes.",
        {
            "tool_name": NAME,
            "thread_limit": COUNT,
            "run_limit": COUNT,
            "exit_behavior": {"enum": ["continue", "error"], "description": "error: the run fails"},
        },
        {"run_limit": 20},
    ),
}
