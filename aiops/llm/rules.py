"""Validates the rows of providers and models, without loading a provider's package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import regex
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError

from aiops import net, schemas
from aiops.events.redaction import SECRET_NAMES
from aiops.llm import own_tools
from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.providers import BROKEN, HANDLERS
from aiops.llm.values import ADDRESS_CURE, CAPABILITIES

if TYPE_CHECKING:
    from aiops.llm.models import LLMModel, LLMProvider

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/@+\-]*\Z")
LIMITS = ("concurrency", "requests_per_minute", "tokens_per_minute")
MAX_LIMIT = 1_000_000_000
SCHEMAS = {
    "capabilities": {"properties": {name: {"type": "boolean"} for name in CAPABILITIES}},
    "limits": {"properties": {name: {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT} for name in LIMITS}},
}
"""What objects of a model's row can have, for people who fill them in; the functions below check them."""
MAX_PATTERNS = 20
MAX_PATTERN_CHARACTERS = 200
MAX_JSON_BYTES = 16_384
NEEDS_KEY = "This provider needs a key: name the secret that holds it."
CANNOT = "{name}: this provider's client cannot do that: leave it out."
KEY_HERE = "{name} looks like a secret: keys belong into a secret, which the model names."


def check_provider(provider: LLMProvider) -> None:
    """Raise ValidationError, by field, for a provider that could not be used."""
    errors: dict[str, Any] = {}
    provider.handler = provider.handler.lower()
    if provider.handler not in HANDLERS:
        known = ", ".join(HANDLERS)
        reason = BROKEN.get(provider.handler)
        broken = f" {provider.handler} could not be loaded: {reason}." if reason else ""
        errors["handler"] = f"There is no such handler.{broken} There are: {known}."
    else:
        errors |= _in("config_schema", problems_of_config(HANDLERS[provider.handler], provider.config_schema))
    if provider.documentation_url:
        try:
            net.check(provider.documentation_url)
        except net.BadAddress as error:
            errors["documentation_url"] = str(error)
    if errors:
        raise ValidationError(errors)


def problems_of_config(handler: type[BaseLLMProviderHandler], config: Any) -> list[str]:
    """Return what is wrong with a provider's settings: each begins with the field."""
    if found := _misfits(config, handler.config_schema):
        return found
    try:
        url = handler(config).url()
    except ValueError as error:
        return [str(error)]
    if not url:
        return []
    try:
        check_address(url)
    except net.BadAddress as error:
        return [f"{handler.address}: {error}"]
    return []


def check_address(url: str) -> None:
    """Raise BadAddress for an address that no worker would call, as far as that is known without a look-up."""
    scheme, host, _, _ = net.check(url)
    networks = django_settings.SETTINGS.networks_of_models()
    try:
        address = ip_address(host)
    except ValueError:
        if scheme != "https" and not networks:
            raise net.BadAddress(f"It must begin with https:// ({ADDRESS_CURE}).") from None
        return
    net.refuse(address, scheme=scheme, host=host, allowed=networks, cure=ADDRESS_CURE)


def check_model(model: LLMModel) -> None:
    """Raise ValidationError, by field, for a model that could not be used."""
    errors: dict[str, Any] = {}
    errors |= _in("capabilities", _of_capabilities(model.capabilities))
    errors |= _in("limits", _of_limits(model.limits))
    errors |= _in("advanced_patterns", _of_patterns(model.advanced_patterns))
    if model.advanced_patterns and not errors.get("advanced_patterns") and model.advanced_model_id is None:
        errors["advanced_model"] = "Name the model that these tasks go to."
    if model.advanced_model_id is not None and model.advanced_model_id == model.pk:
        errors["advanced_model"] = "It cannot be its own advanced model."
    if model.system_prompt is not None and model.system_prompt.status != "approved":
        errors["system_prompt"] = (
            f"The prompt {model.system_prompt.name!r} is {model.system_prompt.status}: approve it."
        )
    if model.is_default and not model.is_enabled:
        errors["is_default"] = "A model that is not enabled cannot be the default."
    if model.provider_id is not None:
        handler = HANDLERS.get(model.provider.handler)
        if handler is not None:
            errors |= _of_parameters(model, handler, errors)
    if errors:
        raise ValidationError(errors)


def _of_parameters(model: LLMModel, handler: type[BaseLLMProviderHandler], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this provider's models of this name do not take."""
    if isinstance(model.model_config, dict) and (found := own_tools.problems(model.model_config, handler)):
        return _in("model_config", found)
    if found := _misfits(model.model_config, handler.model_schema):
        return _in("model_config", found)
    errors: dict[str, Any] = {}
    if handler.needs_key and model.model_secret_key_id is None:
        errors |= {"model_secret_key": NEEDS_KEY}
    lacks = ("capabilities" not in known and model.capabilities) or {}
    called = model.model_config.get("model") or model.name
    refused = _refused(model, handler, called)
    if lacks.get("temperature") is False:
        refused.setdefault("temperature", "Its capabilities say that it takes none: leave it empty.")
    for name, reason in refused.items():
        if name == "temperature" and model.temperature is not None:
            errors["temperature"] = reason
        elif name in model.model_config:
            errors.setdefault("model_config", []).append(f"{name}: {reason}")
    ways = {
        "parallel_tools": bool(handler.one_call),
        "reasoning_echo": handler.can_echo,
        "streaming": not handler.always_streams,
    }
    for name, supported in ways.items():
        if lacks.get(name) is (name == "reasoning_echo") and not supported:
            errors.setdefault("capabilities", []).append(CANNOT.format(name=name))
    return errors


def _refused(model: LLMModel, handler: type[BaseLLMProviderHandler], called: str) -> dict[str, str]:
    try:
        return handler(model.provider.config_schema).refused(called, model.model_config)
    except ValueError:  # the provider's own page says what is wrong with it
        return {}


def _misfits(value: Any, schema: Mapping[str, Any]) -> list[str]:
    written = json.dumps(value)
    if not isinstance(value, dict):
        return ["An object of names and values."]
    if len(written) > MAX_JSON_BYTES:
        return [f"It has {len(written)} bytes; the most is {MAX_JSON_BYTES}."]
    if named := next(_secrets_in(value), ""):
        return [KEY_HERE.format(name=named)]
    return schemas.compiled(json.dumps(schema)).problems(written)


def _secrets_in(value: Any) -> Iterator[str]:
    """Yield the names, at any depth, of texts that look like secrets by their name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and SECRET_NAMES.search(name):
                yield name
            yield from _secrets_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets_in(inner)


def _of_capabilities(given: Any) -> list[str]:
    if not isinstance(given, dict) or not all(isinstance(value, bool) for value in given.values()):
        return ["An object of names and true or false."]
    return [f"{name[:40]}: there are only {', '.join(CAPABILITIES)}." for name in given if name not in CAPABILITIES]


def _of_limits(given: Any) -> list[str]:
    if not isinstance(given, dict):
        return ["An object of names and whole numbers."]
    found = [f"{name[:40]}: there are only {', '.join(LIMITS)}." for name in given if name not in LIMITS]
    for name in LIMITS:
        value = given.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_LIMIT:
            found.append(f"{name}: a whole number, 0 for no limit.")
    return found


def _of_patterns(given: Any) -> list[str]:
    if not isinstance(given, list) or len(given) > MAX_PATTERNS:
        return [f"A list of at most {MAX_PATTERNS} regular expressions."]
    found = []
    for one in given:
        if not isinstance(one, str) or not one or len(one) > MAX_PATTERN_CHARACTERS:
            found.append(f"A regular expression of at most {MAX_PATTERN_CHARACTERS} characters.")
            continue
        try:
            regex.compile(one)
        except regex.error as error:
            found.append(f"{one!r}: {error}.")
    return found


def _in(field: str, reasons: list[str]) -> dict[str, Any]:
    return {field: reasons} if reasons else {}
