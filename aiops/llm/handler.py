"""The base class of providers' handlers: how a provider's chat models are created, configured and reached.

A handler of an installed package derives from it, too: see docs/extending.md. Importing this module loads no large
package; ``get_chat_model`` is the only place that imports the provider's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aiops.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of a provider; a secret may also be a file (the same name + ``_FILE``)."""

    name: str
    meaning: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """The request that shows whether a provider can be reached; it runs no model."""

    url: str
    headers: Mapping[str, str]


class BaseLLMProviderHandler(ABC):
    """One provider, configured; ``config`` holds the settings of its row, or what the environment says of it."""

    config_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    """JSON Schema of ``config``."""
    model_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    """JSON Schema of a model's parameters (``model_config``), which ``get_chat_model`` gets as keyword arguments.
    ``model`` replaces the name by which the provider knows the model."""
    module: ClassVar[str] = ""
    """Module that ``get_chat_model`` imports: it is imported in a thread, before the first run needs it."""
    install: ClassVar[str] = ""
    """Command that installs the provider's package, where aiops does not bring it."""
    key: ClassVar[Variable | None] = None
    """Variable of the API key of LAB's model."""
    needs_key: ClassVar[bool] = False
    settings: ClassVar[Mapping[str, Variable]] = {}
    """Fields of ``config`` → variables that set them for LAB's model."""
    address: ClassVar[str] = ""
    """Field of ``config`` with the URL of one's own server."""
    required: ClassVar[tuple[str, ...]] = ()
    """Fields of ``config`` without which LAB's model cannot be used."""
    key_shapes: ClassVar[tuple[str, ...]] = ()
    """Regular expressions of its keys, as its vendor documents them; redaction applies them to every text."""
    guessed_at: ClassVar[int] = 100
    """Without LLM_TYPE, the provider with the lowest number is chosen from those whose key or URL is set."""
    reports_finish: ClassVar[bool] = False
    """Quirk: every complete answer has a finish reason, so a stream that ends without one was cut.
    An answer of other providers passes for whole without a finish reason, but its tool calls are never made."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Capabilities that none of its models has."""
    routes_itself: ClassVar[bool] = False
    """Whether ``get_chat_model`` takes ``force_advanced``, and chooses the advanced model itself."""
    needs_model: ClassVar[bool] = True
    """Whether LAB's model needs LLM_MODEL."""
    one_call: ClassVar[Mapping[str, Any]] = {}
    """Options of ``bind_tools`` that make the model call one tool at a time; empty: it has none."""
    always_streams: ClassVar[bool] = False
    """Whether its client cannot ask for a whole answer at once."""
    can_echo: ClassVar[bool] = False
    """Whether its client sends ``reasoning_content`` of earlier messages back."""
    own_tools: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Tools that the provider runs itself, such as web search, each with the fields of a request that switch it on
    (besides those of ``own_tools.SWITCHES``). They are listed for people as off: no approval stands before them."""
    out_of_quota: ClassVar[str] = ""
    """Quirk: error code of a 429 that a retry does not cure."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = dict(config or {})
        self.validate_config()

    @abstractmethod
    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> BaseChatModel:
        """Return a LangChain chat model, which must not retry: middleware does.

        ``temperature`` None leaves it to the provider. ``kwargs`` are the model's parameters, ``timeout`` (seconds
        without a sign of life) and, if set, ``max_tokens``. Raises ImportError, naming the command that installs the
        provider's package, or ValueError for settings it cannot use.
        """

    def validate_config(self) -> None:  # noqa: B027  most providers need no more than their schema
        """Raise ValueError for settings that fit the schema and cannot be used all the same."""

    async def aclose(self, model: BaseChatModel) -> None:  # noqa: B027  for clients that hold connections
        """Close the connections of a chat model that is used no more."""

    def url(self) -> str:
        """Return the address that is called; empty when there is none."""
        return str(self.config.get(self.address) or "") if self.address else ""

    def health(self, api_key: str) -> Health | None:
        """Return the request that shows whether it can be reached; None: that is not checked."""
        del api_key
        return None

    def target(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Return where a model's calls go, as people read it: url, and deployment and api_version where there are."""
        del model_name, parameters
        return {"url": self.url()}

    def echoes_reasoning(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether every model with these parameters wants back what it thought before it called tools."""
        del parameters
        return False

    def refused(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Return the parameters, or temperature, that this model refuses or ignores, each with the reason."""
        del model_name, parameters
        return {}

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Return the variables that configure LAB's model."""
        return tuple(one for one in (cls.key, *cls.settings.values()) if one is not None)

    @classmethod
    def is_named_by(cls, settings: Settings) -> bool:
        """Return whether the environment sets a variable of this provider."""
        return any(settings.of_provider(one.name) for one in cls.variables())

    @classmethod
    def missing_variable(cls, settings: Settings) -> str:
        """Return the required variable that is not set, or an empty string; one's own server needs no key."""
        for field in cls.required:
            if not settings.of_provider(cls.settings[field].name):
                return cls.settings[field].name
        if cls.key is None or settings.of_provider(cls.key.name):
            return ""
        own = cls.settings.get(cls.address) if cls.address not in cls.required else None
        if own is not None and settings.of_provider(own.name):
            return ""
        return cls.key.name + (f", or {own.name} of your own server" if own else "")

    @classmethod
    def config_of(cls, settings: Settings) -> dict[str, str]:
        """Return the settings that the environment has for it."""
        return {field: value for field, one in cls.settings.items() if (value := settings.of_provider(one.name))}


def given(**options: Any) -> dict[str, Any]:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value not in (None, "")}


def schema(*required: str, **properties: Any) -> dict[str, Any]:
    """Return the JSON Schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
URL = {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 500}
FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
PENALTY = {"type": "number", "minimum": -2, "maximum": 2}
WHOLE = {"type": "integer", "minimum": 0}
TOKENS = {"type": "integer", "minimum": 1}
STOP = {"type": "array", "items": TEXT, "maxItems": 4}
