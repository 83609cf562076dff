"""A conversation as a file: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from aiops.conversations import transcript
from aiops.conversations.models import Conversation, Message
from aiops.errors import Invalid
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web import identity
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.doors import guard
from aiops.web.doors.downloads import Download
from aiops.web.identity import Pass

PAGE = 100


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and the run that answers it; none for answers, and for messages that came with a batch item."""

    message: Message
    run: Run | None


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the file: its media type and ending, its beginning, how a message is written, and its end.

    ``write`` gets whether the message is the first.
    """

    media_type: str
    ending: str
    begin: Callable[[Conversation], str]
    write: Callable[[Said, bool], str]
    end: str


async def export(request: Request) -> Response:
    """Stream the conversation, page by page."""
    conversation, grant = await guard.conversation_of_caller(request)
    refuse_unknown_parameters(request.query_params, known={"as"})
    form = FORMS.get(request.query_params.get("as", "markdown"))
    if form is None:
        raise Invalid("There is no such format.", errors={"as": [f"One of {', '.join(FORMS)}."]})
    return Download(
        _file(conversation, grant, form),
        media_type=form.media_type,
        headers={"Content-Disposition": f'attachment; filename="conversation-{conversation.pk}.{form.ending}"'},
    )


async def _file(conversation: Conversation, grant: Pass, form: Form) -> AsyncIterator[str]:
    """Yield the file, holding one page of messages at a time."""
    yield form.begin(conversation)
    after = 0
    while page := await guard.in_thread(_read_page, conversation.pk, after, grant):
        yield "".join(form.write(said, not after and not number) for number, said in enumerate(page))
        after = page[-1].message.position
    yield form.end


def _read_page(conversation_id: UUID, after: int, grant: Pass) -> list[Said]:
    identity.check(grant)  # for each page: a download may outlive its session
    visible = transcript.visible(Conversation(pk=conversation_id))
    messages: Sequence[Message] = list(visible.filter(position__gt=after)[:PAGE])
    runs = {run.message_id: run for run in Run.objects.filter(message__in=messages).defer("answer")}
    return [Said(message, runs.get(message.pk)) for message in messages]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _title(conversation: Conversation) -> str:
    return f"# {' '.join(conversation.title.split()) or 'Conversation'}\n"


def _as_markdown(said: Said, is_first: bool) -> str:
    message, run = said.message, said.run
    who = {"user": "Question", "assistant": "Answer"}.get(message.role, message.role.capitalize())
    parts = [f"\n## {who}, {_time(message.created_at)}\n\n{message.text.rstrip()}\n"]
    parts += [f"\nAttached: {one['name']} ({one['bytes']} bytes)\n" for one in message.attachments or []]
    if run is not None:
        parts += [f"\nTool: {step['server']} {step['tool']}, {step['status']}\n" for step in run.steps]
        parts += [f"\n> {notice['text']}\n" for notice in run.notices]
        if run.state != State.SUCCEEDED:
            reason = f": {run.error['detail']}" if run.error else ""
            parts.append(f"\n> The run is {run.state}{reason}\n")
    return "".join(parts)


def _begin_json(conversation: Conversation) -> str:
    facts = {"id": str(conversation.pk), "title": conversation.title, "created_at": _iso(conversation.created_at)}
    return json.dumps(facts, ensure_ascii=False)[:-1] + ', "messages": ['


def _as_json(said: Said, is_first: bool) -> str:
    message, run = said.message, said.run
    row: dict[str, Any] = {
        "id": str(message.pk),
        "role": message.role,
        "text": message.text,
        "attachments": message.attachments or [],
        "created_at": _iso(message.created_at),
    }
    if run is not None:
        row["run"] = {
            "id": str(run.pk),
            "state": run.state,
            "usage": run.usage,
            "error": run.error,
            "notices": [{"code": notice["code"], "text": notice["text"]} for notice in run.notices],
            "steps": [{name: step.get(name) for name in STEP} for step in run.steps],
        }
    return ("\n" if is_first else ",\n") + json.dumps(row, ensure_ascii=False)


STEP = ("call_id", "server", "tool", "arguments", "status", "ms", "preview")


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


FORMS = {
    "markdown": Form("text/markdown; charset=utf-8", "md", _title, _as_markdown, ""),
    "json": Form("application/json", "json", _begin_json, _as_json, "\n]}\n"),
}
"""By the names of the parameter ``as``."""
