from __future__ import annotations

from tickets.models import Ticket

from aiops.settings import Settings


def close_old(settings: Settings) -> dict[str, int]:
    return {"closed": Ticket.objects.filter(state="open").update(state="closed")}
