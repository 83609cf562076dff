"""What ends with a person's account: each feature says for itself (``Feature.departure``)."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from aiops.apps import features, load
from aiops.people import accounts, sessions, tokens
from aiops.people.models import ApiToken, User


def close(user: User, *, actor: User) -> None:
    """End what a deactivated account had begun; must run in the transaction in which ``actor`` deactivates it.

    It is signed out everywhere, and an account that is activated again begins without what ended.
    """
    for _, dotted in sorted(feature.departure for feature in features() if feature.departure is not None):
        load(dotted)(user)
    sessions.end_others(user, than="")
    transaction.on_commit(partial(accounts.announce, user.pk))
    tokens.revoke(ApiToken.objects.filter(user=user.pk), actor=actor)
