"""The navigation: links of all installed features that the user may see, in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.urls import reverse

from aiops.apps import MANAGE, STAFF, SYSTEM, WORK, NavigationItem, features, load

GROUPS = {WORK: "Work", SYSTEM: "System", MANAGE: "Administration"}
"""The groups in their order, with the names that screen readers say."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link as the template writes it; ``name`` is compared with the page's ``here``."""

    label: str
    href: str
    name: str = ""
    is_external: bool = False
    count: int = 0


def items(request: HttpRequest) -> dict[str, Any]:
    """Return ``navigation``, a list of (group, links), and ``environment`` for templates (a context processor)."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"navigation": []}

    def may_see(item: NavigationItem) -> bool:
        return user.is_staff if item.permission == STAFF else not item.permission or user.has_perm(item.permission)

    settings = django_settings.SETTINGS
    declared = [item for feature in features() for item in feature.navigation if may_see(item)]
    links: dict[str, list[Link]] = {group: [] for group in GROUPS}
    for item in sorted(declared, key=lambda item: item.order):
        count = load(item.count)(user) if item.count else 0
        links[item.group].append(Link(item.label, reverse(item.url), item.url, count=count))
    if settings.flower_url and user.is_staff:
        links[SYSTEM].append(Link("Flower", settings.flower_url, is_external=True))
    groups = [(GROUPS[group], shown) for group, shown in links.items() if shown]
    return {"navigation": groups, "environment": settings.environment}
