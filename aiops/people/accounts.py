"""Locks an account while something is created for it, and deletes an account with everything it owns."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import redis
from django.apps import apps
from django.db import transaction

from aiops import keyspace, log
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.recording import record
from aiops.errors import Unauthenticated
from aiops.locks import lock
from aiops.people.models import User

OWNED = ("schedules.Schedule", "batches.Batch", "conversations.Conversation", "runs.Run", "attachments.Attachment")
"""Rows that other processes may hold locks on, in the order of ``aiops.locks``."""

logger = log.get(__name__)


def lock_active(user_id: UUID) -> User:
    """Lock an account, so that of two simultaneous requests the second counts what the first created.

    Raises Unauthenticated when it was deactivated or deleted since the request was authenticated.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True).first()
    if user is None:
        raise Unauthenticated("This account was deactivated or deleted: ask an administrator.")
    return user


def announce(user_id: UUID) -> None:
    """Let workers look again at what they hold for an account, such as its sessions with tool servers."""
    try:
        keyspace.sync().publish(keyspace.CONTROL, keyspace.control(keyspace.ACCOUNT, str(user_id)))
    except redis.RedisError as error:  # they do so by themselves within a minute
        logger.warning("account.change_not_sent", error=str(error))


def delete(user: User, *, actor: User | None = None) -> None:
    """Delete an account with everything it owns; workers drop its runs when they next renew their leases."""
    pk, name = user.pk, user.username  # a deleted row has no key
    with transaction.atomic():
        account = User.objects.filter(pk=user.pk)
        lock(account)  # from here on nothing is created for it
        # by label: their apps import this one
        for label in OWNED:
            lock(apps.get_model(label).objects.filter(user=user.pk), to_delete=True)
        lock(account, to_delete=True)
        transaction.on_commit(partial(announce, user.pk))
        account.delete()
        record(
            Action.ACCOUNT_DELETED,
            actor=actor.username if actor else SYSTEM,
            actor_id=actor.pk if actor else None,
            object=f"user:{name}",
            details={"id": str(pk)},
        )
