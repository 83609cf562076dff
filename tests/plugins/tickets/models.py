from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Ticket(models.Model):
    title = models.CharField(max_length=300)
    state = models.CharField(max_length=10, default="open")
    touched_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "tickets"
