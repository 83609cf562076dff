"""``Feature``: how a Django app, our own or an installed package's, declares its API, pages, jobs and more.

Values that would load heavy code are dotted strings (``package.module:name``), imported by ``load`` where they are
used. ``config/urls.py``, the navigation, the job catalogue, retention, ``/metrics`` and the front iterate over
``features()``; nothing is listed anywhere else.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.apps import AppConfig, apps

from aiops.settings import Settings

WORK, SYSTEM, MANAGE = "work", "system", "manage"
"""Groups of the navigation, in their order: one's own work, the running system, and its administration."""
STAFF = "staff"
"""Used instead of a permission: for users who may open the administration."""


def load(dotted: str) -> Any:
    """Import ``package.module:name``; raises ImportError or AttributeError."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """A link in the navigation: ``url`` is a URL name, ``permission`` is needed to see the link ("": none)."""

    label: str
    url: str
    order: int
    permission: str = ""
    group: str = WORK
    count: str = ""
    """A function of a User that returns how many things behind the link wait for this person."""


@dataclass(frozen=True, slots=True)
class Job:
    """A maintenance job: it does everything that is due, so a missed run is harmless.

    ``run`` names a function that takes the settings and returns counts of what it did.
    """

    name: str
    description: str
    run: str
    every_s: float | None = None
    """None: every AIOPS_REAPER_S seconds."""
    outbound: bool = True
    """Whether it waits for other systems. Such a job has its own thread and task, so that it delays no other job; that
    is the safe default."""


@dataclass(frozen=True, slots=True)
class RetentionKind:
    """A kind of object that AIOPS_RETENTION can name.

    ``due`` names a function of (state, before) that returns a QuerySet of older objects, oldest first; ``remove`` names
    one that removes such a QuerySet in one short transaction and returns the number of objects removed.
    """

    kind: str
    due: str
    remove: str
    states: tuple[str, ...] = ()
    """States with retention times of their own; a rule without a state applies to all of them."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What the change log keeps of a table: ``masked`` columns without their values, ``left_out`` ones not at all."""

    masked: Sequence[str] = ()
    left_out: Sequence[str] = ()


class Worker(Protocol):
    """A worker process as the handlers of control messages see it."""

    def stop_run(self, run_id: str) -> None:
        """Stop a run if this process executes it."""

    def slow_down(self, model: str) -> None:
        """Lower the number of concurrent calls of a model."""

    def refresh_models(self) -> None:
        """Reload the models, and make the default one's client."""

    def refresh_tools(self) -> None:
        """Reload the tool servers and their tools."""

    def check_sessions(self, user_id: str) -> None:
        """Close a person's sessions with tool servers that they may no longer have."""


class Feature(AppConfig):
    """The AppConfig of a feature; all attributes are optional."""

    default = False
    """Otherwise Django would see this class, which each apps.py imports, as a second configuration of the app."""

    def __init_subclass__(cls) -> None:
        cls.default = True

    api: ClassVar[Mapping[str, str]] = {}
    """Path below /api/ → a viewset (registered with a router) or a view."""
    pages: ClassVar[str] = ""
    """Module with ``urlpatterns`` of pages."""
    navigation: ClassVar[Sequence[NavigationItem]] = ()
    jobs: ClassVar[Sequence[Job]] = ()
    retention: ClassVar[Sequence[RetentionKind]] = ()
    metrics: ClassVar[str] = ""
    """A function that yields Prometheus metric families, called at each scrape."""
    known_series: ClassVar[str] = ""
    """A function that takes the settings and yields the ``metrics.Series`` that ``/metrics`` shows with zero before
    their first event."""
    control: ClassVar[Mapping[str, Callable[[Worker, str], None]]] = {}
    """Name of a control message → its handler in a worker process, called on the loop with the payload."""
    streams: ClassVar[Mapping[str, str]] = {}
    """Path → a GET endpoint that Starlette serves beside Django: event streams and long downloads."""
    referrers: ClassVar[str] = ""
    """A function of a secret's name that returns what refers to it, as people read it."""
    prompt_users: ClassVar[str] = ""
    """A function of a SystemPrompt that returns what uses it, as people read it."""
    encrypted: ClassVar[Sequence[str]] = ()
    """Tables whose column ``encrypted`` holds a value that ``rotate_secrets`` encrypts again."""
    logged: ClassVar[Mapping[str, Logged]] = {}
    """Tables whose changes are logged, as ``package.module:Model``."""
    trials: ClassVar[Mapping[str, str]] = {}
    """Kind of trial → a function that a worker calls with (arguments, settings) while a person waits: it reads what it
    needs from the database and returns an awaitable of the answer, a JSON object."""
    departure: ClassVar[tuple[int, str] | None] = None
    """What to do in the transaction that deactivates an account: its place in the order of ``aiops.locks``, and a
    function of the User."""
    row_actions: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Name → (title, function of (model_admin, request, queryset)) of an action in the administration of rows."""
    body_limits: ClassVar[Mapping[str, Callable[[Settings], int]]] = {}
    """Path → maximum body size in bytes, where larger than AIOPS_MAX_BODY_BYTES."""


def features() -> list[Feature]:
    """Return every installed feature, in the order of INSTALLED_APPS."""
    return [config for config in apps.get_app_configs() if isinstance(config, Feature)]
