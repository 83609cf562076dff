"""The chat models of one process, each made once for its model, so that its connections are reused."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiops import log, net
from aiops.errors import RunFailed
from aiops.llm import own_tools
from aiops.llm.client import Client
from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.providers import BROKEN, HANDLERS
from aiops.llm.values import ADDRESS_CURE, ModelSpec
from aiops.secrets.resolving import Unresolved, resolve
from aiops.settings import Settings

MOST = 64
"""Clients that are kept; the one that was unused for longest goes first."""

logger = log.get(__name__)


class Clients:
    """Makes chat models, and closes those that are replaced when the last run has done with them."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._clients: dict[tuple[ModelSpec, float], Client] = {}
        self._making: dict[tuple[ModelSpec, float], asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def use(self, spec: ModelSpec, *, timeout_s: float) -> AsyncIterator[Client]:
        """Give a model's client; raises RunFailed when it cannot be made."""
        client = await self._client(spec, timeout_s)
        client.users += 1
        try:
            yield client
        finally:
            client.users -= 1
            if client.retired and not client.users:
                await self._close(client)

    async def close(self) -> None:
        """Close all of them."""
        for client in self._clients.values():
            await self._close(client)
        self._clients.clear()

    async def helper(self, client: Client, spec: ModelSpec, *, timeout_s: float) -> Client:
        """Return a client of another model, which is closed with this one; raises RunFailed when it cannot be made."""
        made = next((one for one in client.helpers if one.spec == spec), None)
        if made is None:
            made = await make(spec, self._settings, timeout_s=timeout_s)
            client.helpers.append(made)
        return made

    async def retire(self, specs: frozenset[ModelSpec]) -> None:
        """Close the clients of all models but these, which are those that are configured now."""
        for key in [key for key in self._clients if key[0] not in specs]:
            self._making.pop(key, None)
            await self._retire(key)

    async def _client(self, spec: ModelSpec, timeout_s: float) -> Client:
        key = (spec, timeout_s)
        async with self._making.setdefault(key, asyncio.Lock()):
            found = self._clients.pop(key, None)
            if found is not None and spec.client_ttl_s and self._clock() - found.made_at > spec.client_ttl_s:
                self._clients[key] = found
                await self._retire(key)
                found = None
            if found is None:
                found = await make(spec, self._settings, timeout_s=timeout_s)
                found.made_at = self._clock()
            self._clients[key] = found  # last: it was used last
        if len(self._clients) > MOST:
            oldest = next(iter(self._clients))
            self._making.pop(oldest, None)
            await self._retire(oldest)
        return found

    async def _retire(self, key: tuple[ModelSpec, float]) -> None:
        client = self._clients.pop(key)
        client.retired = True
        if not client.users:
            await self._close(client)

    async def _close(self, client: Client) -> None:
        for one in (client, *client.helpers):
            try:
                await one.handler.aclose(one.model)
            except Exception:  # another package's: a client that cannot be closed must not fail a run
                logger.exception("client.not_closed", model=one.spec.label)


async def make(spec: ModelSpec, settings: Settings, *, timeout_s: float) -> Client:
    """Make a client; raises RunFailed: unknown_provider, provider_missing, bad_model or secret_unread."""
    name = spec.handler_name
    if name not in HANDLERS:
        broken = f" ({BROKEN[name]})" if name in BROKEN else ""
        raise RunFailed(
            f"There is no provider {name!r}{broken}: choose one of {', '.join(HANDLERS)}.", code="unknown_provider"
        )
    options: dict[str, Any] = {**spec.options, "timeout": timeout_s}
    if spec.max_tokens is not None:
        options["max_tokens"] = spec.max_tokens
    try:
        if refused := own_tools.problems(spec.options, HANDLERS[name]):  # a row of before this was refused
            raise ValueError(" ".join(refused))
        handler = HANDLERS[name](spec.settings)
        if spec.from_row:
            await _check_address(handler, settings)
        if handler.module:
            await asyncio.to_thread(_load, handler)
        key = await asyncio.to_thread(resolve, spec.secret, settings) if spec.secret else spec.api_key
        if handler.needs_key and not key:
            raise ValueError("it needs a key: name a secret that holds it")
        model = await handler.get_chat_model(spec.called, key or None, spec.temperature, **options)
        if "streaming" in spec.lacks:
            model.disable_streaming = True
    except Unresolved as problem:
        raise RunFailed(f"The model {spec.name!r} cannot be used. {problem}", code="secret_unread") from problem
    except ImportError as error:
        raise RunFailed(f"The model {spec.name!r} cannot be used: {error}", code="provider_missing") from error
    except (ValueError, TypeError, LookupError, OSError) as error:
        raise RunFailed(f"The model {spec.name!r} cannot be used: {error}", code="bad_model") from error
    return Client(spec, model, handler)


async def _check_address(handler: BaseLLMProviderHandler, settings: Settings) -> None:
    """Raise BadAddress, a ValueError, for a host whose name leads where no provider may be.

    A name that is not found is left to the call itself, whose error a fallback may answer for.
    """
    if not (url := handler.url()):
        return
    with contextlib.suppress(OSError):  # TimeoutError is one
        await net.resolve(url, allowed=settings.networks_of_models(), cure=ADDRESS_CURE)


def _load(handler: BaseLLMProviderHandler) -> None:
    """Import the provider's package, which takes long, off the loop; ``get_chat_model`` says what is missing."""
    with contextlib.suppress(ImportError):
        importlib.import_module(handler.module)
