"""Declares language models: their API, pages, metrics, trials and control messages."""

from aiops import keyspace
from aiops.apps import MANAGE, Feature, Logged, NavigationItem

MAX_BYTES = 4_000_000
"""Of a list of rows."""


class LanguageModels(Feature):
    name = "aiops.llm"
    verbose_name = "Language models"

    api = {
        "providers/health": "aiops.llm.api:Providers",
        "llm-providers": "aiops.llm.api:LLMProviders",
        "llm-models": "aiops.llm.api:LLMModels",
    }
    pages = "aiops.llm.pages"
    navigation = (
        NavigationItem("Models", "models", order=71, permission="llm.view_llmmodel", group=MANAGE),
        NavigationItem("Providers", "providers", order=72, permission="llm.view_llmprovider", group=MANAGE),
    )
    metrics = "aiops.llm.metrics:families"
    known_series = "aiops.llm.metrics:known"
    logged = {"aiops.llm.models:LLMProvider": Logged(), "aiops.llm.models:LLMModel": Logged()}
    body_limits = {
        "/api/llm-providers/": lambda _: MAX_BYTES,
        "/api/llm-models/": lambda _: MAX_BYTES,
    }
    prompt_users = "aiops.llm.saving:users_of_prompt"
    referrers = "aiops.llm.saving:users_of_secret"
    control = {
        keyspace.SLOW_DOWN: lambda worker, model: worker.slow_down(model),
        keyspace.MODELS: lambda worker, _: worker.refresh_models(),
    }

    def ready(self) -> None:
        """Watch the tables that configure models."""
        from aiops.llm import version  # noqa: PLC0415  tables cannot be imported before

        version.watch()
