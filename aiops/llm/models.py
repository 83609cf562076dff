"""Tables of language models: ProviderHealth."""

from django.db import models


class ProviderHealth(models.Model):
    """Whether a model provider could be reached at the last health check."""

    provider = models.CharField(primary_key=True, max_length=40)
    reachable = models.BooleanField()
    detail = models.CharField(max_length=300)
    checked_at = models.DateTimeField()
    since = models.DateTimeField()
    """Time of the last change of ``reachable``."""
