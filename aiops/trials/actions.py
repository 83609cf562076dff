"""An action of the administration that lets a worker try each of the chosen rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from aiops.errors import AiopsError
from aiops.trials.asking import ask

MOST = 10
MOST_S = 60.0
TOO_MANY = f"At most {MOST} at once: a worker tries them one after another, and you wait for it."
Action = Callable[[Any, HttpRequest, QuerySet[Model]], None]


def checking(kind: str, argument: str, outcome: str, title: str) -> Action:
    """Return an action that asks a trial of this kind with {argument: id}, and shows {outcome, problem} for each."""

    def check_rows(of: Any, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        user: Any = request.user
        if queryset.count() > MOST:
            of.message_user(request, TOO_MANY, messages.ERROR)
            return
        until = time.monotonic() + MOST_S
        for row in queryset:
            if time.monotonic() > until:
                of.message_user(request, f"{row} and those after it were not tried: it took too long.", messages.ERROR)
                return
            try:
                found = ask(user, kind, {argument: str(row.pk)})
            except AiopsError as error:
                of.message_user(request, f"{row}: {error.detail}", messages.ERROR)
                return
            level = messages.SUCCESS if found[outcome] else messages.ERROR
            of.message_user(request, f"{row}: {found['problem'] or 'it works.'}", level)

    check_rows.short_description = title  # type: ignore[attr-defined]
    check_rows.allowed_permissions = ("view",)  # type: ignore[attr-defined]
    return check_rows
