"""The navigation: links of all installed features that the user may see."""

from __future__ import annotations

from django.http import HttpRequest

from aiops.apps import STAFF, NavigationItem, features


def items(request: HttpRequest) -> dict[str, list[NavigationItem]]:
    """Return ``navigation`` for templates (a context processor)."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"navigation": []}

    def may_see(item: NavigationItem) -> bool:
        return user.is_staff if item.permission == STAFF else not item.permission or user.has_perm(item.permission)

    declared = [item for feature in features() for item in feature.navigation if may_see(item)]
    return {"navigation": sorted(declared, key=lambda item: item.order)}
