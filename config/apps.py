"""Django's side of the wiring: the Celery app, checks and migrations around ``migrate``, and the administration."""

from __future__ import annotations

import asyncio
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import SimpleAdminConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate

from aiops.settings import current
from config import upgrade
from config.moving import marker


class Config(AppConfig):
    name = "config"

    def ready(self) -> None:
        # The app becomes the default of every thread: without it, Celery would publish to its default broker.
        from config import celery  # noqa: F401

        pre_migrate.connect(marker.refuse_unfinished, sender=apps.get_app_config("people"))
        pre_migrate.connect(upgrade.refuse_unknown, sender=apps.get_app_config("people"))
        post_migrate.connect(_migrate_memory, sender=apps.get_app_config("conversations"))


class Unfold(AppConfig):
    """Unfold's templates and files; its own AppConfig would load the whole administration in every process."""

    name = "unfold"


class Administration(SimpleAdminConfig):
    """Django's administration with Unfold's site; ``config.urls`` discovers its pages, in the web process only."""

    default_site = "unfold.sites.UnfoldAdminSite"


def _migrate_memory(using: str, **_: Any) -> None:
    """Migrate the tables of memory, if PostgreSQL stores it."""
    settings = current()
    if settings.checkpointer != "postgres" or connections[using].vendor != "postgresql":
        return
    from aiops.agent.memory import postgres

    asyncio.run(postgres.migrate(settings.database_url.get_secret_value()))
