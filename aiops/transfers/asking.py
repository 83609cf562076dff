"""Asks a worker to import or export a file."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django.db import transaction

from aiops import background, dispatch, log
from aiops.errors import Forbidden, TooMany, Unavailable
from aiops.people import accounts
from aiops.people.models import User
from aiops.transfers.models import Transfer
from aiops.transfers.tables import Table

JOB = "transfers"
MOST_OPEN = 3
"""Files of one person that wait or are worked on."""

logger = log.get(__name__)


@transaction.atomic
def ask(user: User, table: Table, *, direction: str, **fields: Any) -> Transfer:
    """Queue a transfer; raises Forbidden or TooMany. If the broker is away, the job finds it within a minute."""
    verbs = ("view",) if direction == Transfer.Direction.EXPORT else table.needed
    if not table.may(user, *verbs):
        raise Forbidden(f"You may not {' and '.join(verbs)} these rows.")
    accounts.lock_active(user.pk)
    open_ = Transfer.objects.filter(user=user, state__in=[Transfer.State.QUEUED, Transfer.State.RUNNING])
    if open_.count() >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} files of yours are under way: wait until one has ended.")
    made = Transfer.objects.create(user=user, table=table.path, direction=direction, **fields)
    sending: Any = partial(background.run_later, _send)
    transaction.on_commit(sending)
    return made


def _send() -> None:
    try:
        dispatch.upkeep(JOB, request_id=str(uuid.uuid4()))
    except Unavailable as error:
        logger.warning("transfer.not_sent", error=error.detail)
