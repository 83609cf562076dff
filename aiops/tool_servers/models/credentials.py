"""The table of people's own credentials for tool servers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.tool_servers.models.servers import MCPServer


class ToolCredential(models.Model):
    """One person's credential for one server: no other server, and no other person's call, ever gets it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tool_credentials")
    server = models.ForeignKey(MCPServer, models.CASCADE, related_name="credentials")
    encrypted = models.TextField(editable=False)
    """The value (see ``aiops.secrets.encryption``)."""
    address = models.CharField(max_length=64, editable=False)
    """What the server's address was when it was entered (``credentials.addresses``); at another one it is not used."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["server__name"]
        constraints = [models.UniqueConstraint(fields=["user", "server"], name="one_credential_per_server")]

    def __str__(self) -> str:
        return f"{self.user}, for {self.server}"
