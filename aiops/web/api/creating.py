"""POSTs that create: executed once per Idempotency-Key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.people import idempotency
from aiops.people.models import User

HEADER = "Idempotency-Key"
PARAMETER = OpenApiParameter(
    HEADER,
    {"type": "string", "maxLength": idempotency.MAX_KEY_CHARACTERS, "pattern": idempotency.KEY_PATTERN},
    OpenApiParameter.HEADER,
    description="The same key within a day gets the same response; 200 characters at most.",
)


def create(request: Request, act: Callable[[User], tuple[int, Any]], *, sent: Any = None) -> Response:
    """Run ``act`` in a transaction, or return the earlier response of this key.

    ``sent`` identifies the request's content if its body is not JSON.
    """
    user = cast(User, request.user)
    canonical = json.dumps(request.data if sent is None else sent, sort_keys=True).encode()
    fingerprint = idempotency.fingerprint(str(request.method), request.path, canonical)
    key = request.headers.get(HEADER, "")
    status, body = idempotency.answer_once(user, key=key, fingerprint=fingerprint, act=lambda: act(user))
    return Response(body, status=status)
