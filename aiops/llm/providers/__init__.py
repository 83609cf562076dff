"""The known providers, by name: every module in this folder defines one as ``PROVIDER``."""

from __future__ import annotations

import importlib
import pkgutil

from aiops.llm.provider import Provider, Variable

OFFLINE = "offline"


_modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
PROVIDERS: dict[str, Provider] = {module.PROVIDER.name: module.PROVIDER for module in _modules}


def variables() -> dict[str, Variable]:
    """Return every provider's variables, by name."""
    return {one.name: one for provider in PROVIDERS.values() for one in provider.variables}
