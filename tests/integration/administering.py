"""The administration as a browser uses it: its lists, what its forms send back, and what they refuse."""

from __future__ import annotations

from typing import Any

from django.test import Client

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.llm.models import LLMModel, LLMProvider
from aiops.people.models import User
from aiops.secrets.models import Secret
from aiops.system_prompts.models import SystemPrompt

PAGES = {
    LLMProvider: "/admin/llm/llmprovider/",
    LLMModel: "/admin/llm/llmmodel/",
    MiddlewareType: "/admin/chains/middlewaretype/",
    LLMMiddleware: "/admin/chains/llmmiddleware/",
    SystemPrompt: "/admin/system_prompts/systemprompt/",
    Secret: "/admin/secrets/secret/",
}
MODELS = PAGES[LLMModel]


def administrator() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", password="x"))
    return browser


def form_of(browser: Client, path: str) -> dict[str, Any]:
    """Return what a browser would send back from a form."""
    page = browser.get(path)
    assert page.status_code == 200
    form = page.context["adminform"].form
    sent: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        shown = bound.field.prepare_value(value) if hasattr(bound.field, "prepare_value") else value
        if shown not in (None, False):
            sent[bound.html_name] = shown
    return sent


def problems(page: Any) -> dict[str, list[str]]:
    assert page.status_code == 200, page.headers.get("Location")
    return {name: list(errors) for name, errors in page.context["adminform"].form.errors.items()}
