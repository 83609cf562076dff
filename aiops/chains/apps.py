"""Declares the middleware chains of models."""

from django.db.models.signals import post_migrate

from aiops.apps import Feature, Logged

MAX_BYTES = 4_000_000
"""Of a list of rows."""


class Chains(Feature):
    name = "aiops.chains"
    verbose_name = "Middleware"

    api = {
        "middleware-types": "aiops.chains.api:MiddlewareTypes",
        "llm-middleware": "aiops.chains.api:LLMMiddlewareRows",
    }
    logged = {"aiops.chains.models:MiddlewareType": Logged(), "aiops.chains.models:LLMMiddleware": Logged()}
    body_limits = {"/api/middleware-types/": lambda _: MAX_BYTES, "/api/llm-middleware/": lambda _: MAX_BYTES}

    def ready(self) -> None:
        """Keep the rows of the built-in types."""
        from aiops.chains import saving  # noqa: PLC0415  tables cannot be imported before

        post_migrate.connect(saving.sync_built_in, sender=self, dispatch_uid="built-in-middleware")
