"""Declares language models: their API, metrics and control messages."""

from aiops import keyspace
from aiops.apps import Feature


class LanguageModels(Feature):
    name = "aiops.llm"

    api = {"providers/health": "aiops.llm.api:Providers"}
    metrics = "aiops.llm.metrics:families"
    known_series = "aiops.llm.metrics:known"
    control = {keyspace.SLOW_DOWN: lambda worker, model: worker.slow_down(model)}
