"""Finds features: those in the folders of ``aiops``, and those of installed packages, by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import aiops
from aiops import log

GROUP = "aiops.apps"
"""Each entry point names the package of a Django app whose AppConfig derives from ``aiops.apps.Feature``."""

logger = log.get(__name__)


def built_in() -> list[str]:
    """Return the folders of ``aiops`` that have an ``apps.py``, as INSTALLED_APPS names them."""
    return sorted(f"aiops.{path.parent.name}" for path in Path(aiops.__path__[0]).glob("*/apps.py"))


def installed() -> list[str]:
    """Return the packages, as INSTALLED_APPS names them; one that cannot be used is logged and left out."""
    found = []
    for entry in entry_points(group=GROUP):
        try:
            if find_spec(entry.value) is None:
                raise ModuleNotFoundError(f"there is no package {entry.value}")
        except (ImportError, ValueError) as error:
            logger.error("plugin.refused", entry_point=entry.value, error=str(error))  # noqa: TRY400  a traceback adds nothing
            continue
        found.append(entry.value)
    return found
