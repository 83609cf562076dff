"""The API of rows that configure aiops: by Django's permissions."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from aiops.web.api.authentication import MayWrite

VERBS = {
    "GET": "view",
    "HEAD": "view",
    "OPTIONS": "view",
    "POST": "add",
    "PUT": "change",
    "PATCH": "change",
    "DELETE": "delete",
}


class MayManage(MayWrite):
    """Requires Django's permission to view, add, change or delete the view's rows.

    A view's ``rights`` name the verb of its own actions.
    """

    message = "You need the permission to see or change these."

    def has_permission(self, request: Request, view: Any) -> bool:
        verb = getattr(view, "rights", {}).get(getattr(view, "action", "")) or VERBS.get(request.method or "", "")
        meta = view.queryset.model._meta
        return super().has_permission(request, view) and request.user.has_perm(
            f"{meta.app_label}.{verb}_{meta.model_name}"
        )
