"""Translates lines that were written for the batch services of OpenAI, Anthropic and Mistral into lines of our form.

The forms, from the services' references: OpenAI ``{custom_id, method, url, body}``, Mistral ``{custom_id, body}``
(address and model belong to its job), Anthropic ``{custom_id, params}``. What a line asks for and we cannot do makes it
invalid: an answer to half of what was asked would be mistaken for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops.batches.reading.values import BadLine

CHAT_PATHS = ("/v1/chat/completions", "/chat/completions")
"""OpenAI's path, and Azure's."""
TAKEN = {
    "model",
    "messages",
    "system",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "response_format",
}
WITHOUT_EFFECT = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "safe_prompt"}
"""Fields that concern the other service, not the answer."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False,),
    "echo": (False,),
    "top_p": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "stop": ("", []),
    "stop_sequences": ([],),
    "tools": ([],),
    "tool_choice": ("auto", "none"),
    "logit_bias": ({},),
    "parallel_tool_calls": (True, False),
}
"""Values that ask for nothing; others cannot be had here."""
INSTRUCTING = ("system", "developer")
TEXTS = ("text", "input_text")


def is_foreign(row: Mapping[str, Any]) -> bool:
    """Return whether a line is of another service's form."""
    return "prompt" not in row and "messages" not in row and ("body" in row or "params" in row)


def translate(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line in our form; raises BadLine for what we cannot do."""
    where = "params" if "params" in row else "body"
    envelope = {"custom_id", where} | ({"method", "url"} if where == "body" else set())
    if unknown := sorted(map(str, set(row) - envelope)):
        raise BadLine(f"There is no such field: {', '.join(unknown)[:200]}.")
    if str(row.get("method", "POST")).upper() != "POST":
        raise BadLine("Only POST can be sent.")
    if row.get("url", CHAT_PATHS[0]) not in CHAT_PATHS:
        raise BadLine(f"Only {CHAT_PATHS[0]} can be answered, not {str(row['url'])[:100]}.")
    body = row[where]
    if not isinstance(body, dict):
        raise BadLine(f"{where} must be an object.")
    _refuse_others(body)
    instructions, messages = _messages(body)
    translated = {
        "custom_id": row.get("custom_id"),
        "messages": messages,
        "model": body.get("model"),
        "instructions": "\n\n".join(filter(None, instructions)),
        "temperature": body.get("temperature"),
        "max_tokens": _max_tokens(body),
        "response_schema": _schema(body.get("response_format")),
    }
    return {name: value for name, value in translated.items() if value not in (None, "")}


def _refuse_others(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if value is None or name in TAKEN or name in WITHOUT_EFFECT:
            continue
        if not any(isinstance(value, bool) == isinstance(one, bool) and value == one for one in NEUTRAL.get(name, ())):
            asked = f"{name} = {value}" if isinstance(value, int | float | str) else name
            raise BadLine(f"It asks for {asked[:100]}, which cannot be done here.")


def _messages(body: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return (the instructions, the other messages with their content as text)."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise BadLine("messages must be a list.")
    instructions = [_text(body["system"])] if body.get("system") is not None else []
    others: list[dict[str, Any]] = []
    for message in messages:
        if not isinstance(message, dict):
            raise BadLine("Each message must be an object.")
        if unknown := sorted(str(name) for name in set(message) - {"role", "content"} if message[name] is not None):
            raise BadLine(f"A message has {', '.join(unknown)[:100]}, which cannot be sent here.")
        text = _text(message.get("content"))
        if message.get("role") in INSTRUCTING:
            instructions.append(text)
        else:
            others.append({"role": message.get("role"), "content": text})
    return instructions, others


def _text(content: Any) -> str:
    """Return a message's text, its parts joined by newlines; raises BadLine for images and other kinds."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadLine("The content of a message must be a text or a list of parts.")
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in TEXTS or not isinstance(part.get("text"), str):
            raise BadLine(f"A message has a part of the type {str(kind)[:50]!r}: only text can be sent here.")
        texts.append(part["text"])
    return "\n".join(texts)


def _max_tokens(body: Mapping[str, Any]) -> Any:
    """Return the most tokens of the answer; OpenAI's newer name comes first."""
    newer = body.get("max_completion_tokens")
    return body.get("max_tokens") if newer is None else newer


def _schema(form: Any) -> Any:
    """Return the JSON Schema that an answer must fit by its ``response_format``; None for any text."""
    if form is None:
        return None
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        described = form.get("json_schema")
        schema = (
            (described.get("schema") or described.get("schema_definition")) if isinstance(described, dict) else None
        )
        if isinstance(schema, dict):
            return schema
        raise BadLine("response_format has no json_schema.schema.")
    raise BadLine("response_format must be of the type text, json_object or json_schema.")
