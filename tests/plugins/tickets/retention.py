from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from tickets.models import Ticket


def closed(state: str, before: Any) -> QuerySet[Ticket]:
    return Ticket.objects.filter(state=state, touched_at__lt=before).order_by("touched_at")
