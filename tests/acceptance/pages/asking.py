"""Questions that tell the scripted model what to do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from tests.acceptance.browser import Page

Open = Callable[..., Page]


def do(text: str = "tell", /, **orders: object) -> str:
    return f"{text} {uuid.uuid4().hex[:6]} DO {json.dumps(orders)}"
