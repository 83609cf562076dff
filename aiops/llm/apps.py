"""Declares language models: their API, metrics and control messages."""

from aiops import keyspace
from aiops.apps import Feature


class LanguageModels(Feature):
    name = "aiops.llm"

    api = {"providers/health": "aiops.llm.api:Providers"}
    metrics = "aiops.llm.metrics:families"
    known_series = "aiops.llm.metrics:known"
    referrers = "aiops.llm.saving:users_of_secret"
    control = {
        keyspace.SLOW_DOWN: lambda worker, model: worker.slow_down(model),
        keyspace.MODELS: lambda worker, _: worker.refresh_models(),
    }

    def ready(self) -> None:
        """Watch the tables that configure models."""
        from aiops.llm import version  # noqa: PLC0415  tables cannot be imported before

        version.watch()
