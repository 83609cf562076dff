"""Finds LLM plugins, and makes each a provider's handler under its class's name in lower case.

A file in AIOPS_PLUGIN_DIR, or an entry point ``aiops.llm_plugins``. A broken one is listed with its traceback, and
keeps nothing else from working.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.plugin import LLMPlugin
from aiops.llm.providers import register_provider

ENTRY_POINTS = "aiops.llm_plugins"
PACKAGE = "aiops_llm_plugins"
"""Prefix of the modules of files, so that they hide no other module."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What was found: a class that works, with its capabilities, or the traceback of what is broken."""

    name: str
    source: str
    capabilities: tuple[str, ...] = ()
    problem: str = ""


FOUND: list[Plugin] = []
"""What this process found, broken ones included."""


class PluginHandler(BaseLLMProviderHandler):
    """Adapts a plugin to a provider; its settings may be any object."""

    plugin: ClassVar[type[LLMPlugin]]
    module = "aiops.llm.wire.plugin"
    lacks = frozenset({"tools", "streaming"})
    routes_itself = True
    needs_model = False
    reports_finish = True

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        wire = importlib.import_module(self.module)  # a page that lists plugins must not load LangChain
        forced = bool(kwargs.pop("force_advanced", False))
        given = {"model": model_name, "api_key": api_key, "temperature": temperature, **kwargs}
        config = {**{name: value for name, value in given.items() if value is not None}, **self.config}
        if model_name.lower() == self.plugin.__name__.lower():
            config.pop("model", None)  # it was not chosen: the plugin has a default of its own
        made = self.plugin()
        await asyncio.to_thread(made.initialize, config)
        return wire.PluginModel(plugin=made, force_advanced=forced)


def load(folder: str) -> None:
    """Find all plugins; called once per process, when its settings are known."""
    FOUND.clear()
    for name, source, cls in [*_of_folder(folder), *_of_packages()]:
        if isinstance(cls, str):
            FOUND.append(Plugin(name, source, problem=cls))
            continue
        try:
            capabilities = tuple(map(str, cls().get_capabilities()))
            register_provider(name.lower(), _handler_of(cls))
        except Exception:  # noqa: BLE001  foreign code can raise anything
            FOUND.append(Plugin(name, source, problem=traceback.format_exc(limit=-5)))
        else:
            FOUND.append(Plugin(name, source, capabilities))


def _of_folder(folder: str) -> Iterator[tuple[str, str, type[LLMPlugin] | str]]:
    for path in sorted(Path(folder).glob("[!_]*.py")) if folder else ():
        try:
            found = list(_classes(_module(path)))
            if not found:
                raise LookupError("the file has no class that derives from LLMPlugin")
        except Exception:  # noqa: BLE001
            yield path.stem, str(path), traceback.format_exc(limit=-5)
            continue
        yield from ((cls.__name__, str(path), cls) for cls in found)


def _of_packages() -> Iterator[tuple[str, str, type[LLMPlugin] | str]]:
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            cls = point.load()
            if not (inspect.isclass(cls) and issubclass(cls, LLMPlugin)):
                raise TypeError(f"{point.value} is no class that derives from LLMPlugin")
        except Exception:  # noqa: BLE001
            yield point.name, point.value, traceback.format_exc(limit=-5)
            continue
        yield cls.__name__, point.value, cls


def _module(path: Path) -> ModuleType:
    name = f"{PACKAGE}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _classes(module: ModuleType) -> Iterator[type[LLMPlugin]]:
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if issubclass(cls, LLMPlugin) and cls.__module__ == module.__name__ and not inspect.isabstract(cls):
            yield cls


def _handler_of(cls: type[LLMPlugin]) -> type[PluginHandler]:
    return type(f"{cls.__name__}Handler", (PluginHandler,), {"plugin": cls})
