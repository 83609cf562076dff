"""Reads the request that makes a schedule: JSON, or a form with the file of its batch and all else as options."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from typing import Any, cast

from django.conf import settings as django_settings
from django.core.files.base import File
from django.http import QueryDict
from rest_framework.request import Request

from aiops.batches import uploads
from aiops.batches.lifecycle import PIECE_BYTES, Plan
from aiops.batches.models import Batch
from aiops.batches.reading.lines import as_row
from aiops.batches.reading.values import BadFile
from aiops.batches.shapes import BatchOptions
from aiops.batches.validation import lines_of, rules_for
from aiops.errors import Invalid, TooLarge
from aiops.llm import snapshot
from aiops.people.models import User
from aiops.schedules.apps import MAX_FILE_BYTES
from aiops.schedules.shapes import ScheduleIn, ScheduleUpload
from aiops.web.api import forms

SETTINGS = django_settings.SETTINGS
MAX_PROBLEMS_SHOWN = 5
MAX_STORED_BYTES = 4_000_000
"""Of the items as the row keeps them: a template can make many times its size of a small file."""


def read(request: Request) -> tuple[dict[str, Any], Any]:
    """Return (the validated fields, what identifies the content of a form). Raises Invalid or TooLarge."""
    if not isinstance(request.data, QueryDict):
        return ScheduleIn.read(request.data), None
    file, fields = uploads.read_form(request, ScheduleUpload)
    if (file.size or 0) > MAX_FILE_BYTES:
        raise TooLarge(f"The file of a schedule has at most {MAX_FILE_BYTES} bytes: send larger ones as a batch.")
    sent = {"options": repr(fields), "file": forms.digest(file)}
    options = fields.pop("batch", None) or BatchOptions.read({})
    plan = Plan.of_request(options, file_format=uploads.format_of(file))
    return {**fields, "stored_batch": _stored(file, plan, cast(User, request.user))}, sent


def _stored(file: File[Any], plan: Plan, user: User) -> dict[str, Any]:
    """Return the batch that the schedule keeps: its items as they were read, in our own form. Raises Invalid."""
    items: list[dict[str, Any]] = []
    size = 0
    problems: list[str] = []
    try:
        lines = lines_of(
            file.chunks(PIECE_BYTES),
            plan.format,
            rules_for(plan, SETTINGS),
            defaults=plan.defaults,
            check_options=partial(snapshot.problem_with, settings=SETTINGS, user=user),
        )
        for line in lines:
            if line.problem:
                problems.append(f"Line {line.number}: {line.problem}")
            else:
                items.append(as_row(line))
                size += len(json.dumps(items[-1]))
                if size > MAX_STORED_BYTES:
                    raise TooLarge(f"The prompts have more than {MAX_STORED_BYTES} bytes: send them as a batch.")
            if len(items) > SETTINGS.max_batch_items or len(problems) == MAX_PROBLEMS_SHOWN:
                break
    except BadFile as bad:
        problems.append(str(bad))
    if len(items) > SETTINGS.max_batch_items:
        problems = [f"There are more than {SETTINGS.max_batch_items} lines."]
    if problems or not items:
        raise Invalid("Correct file.", errors={"file": problems or ["The file has no lines."]})
    plain = replace(plan, format=Batch.Format.JSONL, template="", columns={}, encoding="", ignore_model=False)
    return {"items": items, **asdict(plain)}
