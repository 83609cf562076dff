"""What the package brings."""

from __future__ import annotations

from django.db.models.signals import post_save

from aiops.apps import Feature, Job, NavigationItem, RetentionKind


class Tickets(Feature):
    name = "tickets"
    default_auto_field = "django.db.models.BigAutoField"

    api = {"tickets": "tickets.api:Tickets"}
    pages = "tickets.pages"
    navigation = (NavigationItem("Tickets", "tickets", order=60),)
    jobs = (Job("tidy_tickets", "Closes tickets that nobody touched.", run="tickets.jobs:close_old", every_s=3_600),)
    retention = (
        RetentionKind("tickets", "tickets.retention:closed", "aiops.retention.pruning:remove_rows", states=("closed",)),
    )

    def ready(self) -> None:
        from aiops.conversations.models import Conversation

        post_save.connect(_open_ticket, sender=Conversation)


def _open_ticket(instance: object, created: bool, **_: object) -> None:
    from tickets.models import Ticket

    if created:
        Ticket.objects.create(title=f"asked: {instance.title}")  # type: ignore[attr-defined]
