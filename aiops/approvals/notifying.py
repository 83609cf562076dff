"""Tells those who may decide that a run waits for them: by the run's webhook, and by mail to those who are away."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from aiops import database
from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.people import deciders
from aiops.people import sessions
from aiops.people.models import User
from aiops.runs.states import State
from aiops.settings import Settings
from aiops.webhooks import mailing, outbox
from aiops.webhooks.models import Delivery
from aiops.webhooks.outbox import Notice

MOST_MAILS = 20
SHOWN_CALLS = 10
MAIL_PAUSE_S = 600
"""No second mail about approvals is written to a person for this long."""


def notify(approval: Approval, settings: Settings) -> None:
    """Write the deliveries about a new approval; must run in its transaction.

    A link only opens a page: programs that look at links in mails decide nothing.
    """
    items = list(approval.items.all())
    notice = _notice(approval, items, settings)
    if approval.run.webhook:
        outbox.notify(notice, user_id=approval.requester_id, form=Delivery.Form.WEBHOOK, to=approval.run.webhook)
    if mailing.is_configured(settings):
        since = database.in_seconds(-MAIL_PAUSE_S)
        for user in _absent(approval, {one.role for one in items}):
            mails = Delivery.objects.filter(user=user.pk, event=notice.event, form=Delivery.Form.MAIL)
            if mails.filter(created_at__gt=since).exists():
                continue  # a batch may ask hundreds of times: the inbox has them all
            outbox.notify(notice, user_id=user.pk, form=Delivery.Form.MAIL, to=user.email)


def _absent(approval: Approval, roles: set[str]) -> list[User]:
    """Return those who may decide, have an address, and are not signed in in any browser."""
    signed_in = Exists(sessions.live().filter(user=OuterRef("pk")))
    found: dict[object, User] = {}
    for role in sorted(roles):
        away = deciders(role, requester_id=approval.requester_id).exclude(email="").filter(~signed_in)
        found |= {user.pk: user for user in away.order_by("pk")[:MOST_MAILS]}
    return list(found.values())[:MOST_MAILS]


def _notice(approval: Approval, items: list[ApprovalItem], settings: Settings) -> Notice:
    path = f"/approvals/{approval.pk}/"
    named = [f"{one.server} · {one.tool}" for one in items]
    more = f" and {len(named) - SHOWN_CALLS} more" if len(named) > SHOWN_CALLS else ""
    calls = ", ".join(named[:SHOWN_CALLS]) + more
    who = approval.requester.username
    data = {
        "id": str(approval.pk),
        "run": str(approval.run_id),
        "requested_by": who,
        "may_decide": approval.may_decide,
        "expires_at": approval.expires_at.isoformat().replace("+00:00", "Z"),
        "items": [
            {"id": str(one.pk), "server": one.server, "tool": one.tool, "tool_class": one.tool_class} for one in items
        ],
        "link": f"/api{path}",
    }
    text = f"A run of {who} waits for a decision about {calls}, until {approval.expires_at:%Y-%m-%d %H:%M} UTC."
    link = f"{settings.public_url.rstrip('/')}{path}"
    return Notice(f"run.{State.WAITING_APPROVAL}", f"aiops: {who} asks for a decision", text, link, data)
