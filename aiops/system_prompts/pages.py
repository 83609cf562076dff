"""The pages of system prompts."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.changes import recording
from aiops.system_prompts import saving
from aiops.system_prompts.fields import FIELDS, MAX_BYTES
from aiops.system_prompts.models import PromptVersion, SystemPrompt
from aiops.web.pages import difference
from aiops.web.pages.listing import page_of
from aiops.web.pages.rights import needs

MOST_VERSIONS = 50
SHOWN_CHANGES = 30


@require_GET
@login_required
@needs("system_prompts.view_systemprompt")
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show each prompt, and a form for a new one."""
    page = page_of(SystemPrompt.objects.all(), request)
    return render(request, "system_prompts/prompts.html", {"here": "prompts", "page": page, **_form()})


@require_GET
@login_required
@needs("system_prompts.view_systemprompt")
@ensure_csrf_cookie
def prompt(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one prompt with a form to change it, its versions, and what one of them (``?version=``) changed."""
    found = get_object_or_404(SystemPrompt, pk=pk)
    versions = list(found.versions.select_related("author")[:MOST_VERSIONS])
    wanted = request.GET.get("version", "")
    at = next((n for n, one in enumerate(versions) if str(one.number) == wanted), 0)
    context = {
        "here": "prompts",
        "prompt": found,
        "versions": versions,
        "chosen": versions[at] if versions else None,
        "difference": _difference(versions[at + 1], versions[at]) if at + 1 < len(versions) else [],
        "users": saving.users(found),
        "changes": recording.of(found)[:SHOWN_CHANGES],
    }
    return render(request, "system_prompts/prompt.html", {**context, **_form()})


def _difference(before: PromptVersion, after: PromptVersion) -> list[tuple[str, str]]:
    return difference.marked(before.prompt_text.splitlines(), after.prompt_text.splitlines())


def _form() -> dict[str, object]:
    return {
        "statuses": SystemPrompt.Status.choices,
        "fields": [f"{{{one}}}" for one in FIELDS],
        "max_bytes": MAX_BYTES,
        "reason_required": django_settings.SETTINGS.require_change_reason,
    }


urlpatterns = [
    path("prompts/", list_, name="prompts"),
    path("prompts/<uuid:pk>/", prompt, name="prompt"),
]
