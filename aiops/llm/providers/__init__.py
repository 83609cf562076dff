"""The handlers of providers, by name: a module in this folder defines one as ``HANDLER``, packages add theirs.

A package names its handler as an entry point ``aiops.providers``, or calls ``register_provider`` when Django starts.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import re

from aiops.llm.handler import BaseLLMProviderHandler, Variable

__all__ = ["BROKEN", "HANDLERS", "OFFLINE", "BaseLLMProviderHandler", "register_provider", "variables"]

OFFLINE = "offline"
ENTRY_POINTS = "aiops.providers"
NAME = re.compile(r"^[a-z][a-z0-9_\-]{0,39}\Z")

Handler = type[BaseLLMProviderHandler]
HANDLERS: dict[str, Handler] = {
    found.name: importlib.import_module(f"{__name__}.{found.name}").HANDLER for found in pkgutil.iter_modules(__path__)
}
BROKEN: dict[str, str] = {}
"""Handlers of packages that could not be loaded, with the reason."""


def register_provider(name: str, handler: Handler) -> None:
    """Make a handler known under a name, as an installed package does; raises ValueError for a bad or taken one."""
    if not NAME.match(name):
        raise ValueError(f"{name!r} is no name of a provider: use lower-case letters, digits, - and _.")
    if not (isinstance(handler, type) and issubclass(handler, BaseLLMProviderHandler)):
        raise ValueError(f"The provider {name!r} must be a class that derives from BaseLLMProviderHandler.")  # noqa: TRY004
    if HANDLERS.get(name, handler) is not handler:
        raise ValueError(f"There is already a provider {name!r}: {HANDLERS[name].__module__}.")
    HANDLERS[name] = handler


def variables() -> dict[str, Variable]:
    """Return every provider's variables, by name."""
    return {one.name: one for handler in HANDLERS.values() for one in handler.variables()}


def _load_packages() -> None:
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            register_provider(point.name, point.load())
        except Exception as error:  # noqa: BLE001  a broken package must not keep the others from working
            BROKEN[point.name] = f"{type(error).__name__}: {error}"


_load_packages()
