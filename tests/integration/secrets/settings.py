"""The settings of this process, with some changed."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from pydantic import SecretStr

from aiops.settings import Settings

SECRET = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}


def settings(**changes: Any) -> Settings:
    update = {name: SecretStr(value) if name in SECRET else value for name, value in changes.items()}
    made: Settings = django_settings.SETTINGS.model_copy(update=update)
    return made
