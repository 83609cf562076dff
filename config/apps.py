"""Makes the Celery app exist wherever Django is set up, so that nothing publishes to Celery's default broker."""

from __future__ import annotations

import asyncio
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import SimpleAdminConfig
from django.db import connections
from django.db.models.signals import post_migrate

from aiops.settings import current


class Config(AppConfig):
    """Ties Django and Celery together."""

    name = "config"

    def ready(self) -> None:
        """Import the Celery app (it becomes the default of every thread)."""
        from config import celery  # noqa: F401

        post_migrate.connect(_migrate_memory, sender=apps.get_app_config("conversations"))


class Unfold(AppConfig):
    """Unfold's templates and files; its own configuration would load the whole administration in every process."""

    name = "unfold"


class Administration(SimpleAdminConfig):
    """Django's administration as Unfold shows it; ``config.urls`` looks for what is in it."""

    default_site = "unfold.sites.UnfoldAdminSite"


def _migrate_memory(using: str, **_: Any) -> None:
    """Bring the tables of memory up to date with every ``migrate``, where it lives in PostgreSQL."""
    settings = current()
    if settings.checkpointer != "postgres" or connections[using].vendor != "postgresql":
        return
    from aiops.agent.memory import postgres

    asyncio.run(postgres.migrate(settings.database_url.get_secret_value()))
