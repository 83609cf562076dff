"""Pages that need a right: others read which one it is, and who can grant it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from aiops.apps import STAFF
from aiops.errors import Forbidden
from aiops.web.pages.failures import refuse

View = Callable[..., HttpResponse]


def needs(permission: str) -> Callable[[View], View]:
    """Decorate a page of signed-in users: without this permission (or ``STAFF``) it answers 403."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def serve(request: HttpRequest, *args: Any, **arguments: Any) -> HttpResponse:
            user: Any = request.user
            if user.is_staff if permission == STAFF else user.has_perm(permission):
                return view(request, *args, **arguments)
            right = "the status of staff" if permission == STAFF else f"the permission {permission}"
            detail = f"This page needs {right}. An administrator can give it to you: Admin, Users, your name."
            return refuse(request, Forbidden(detail))

        return serve

    return decorate
