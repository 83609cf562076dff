"""Tables of language models: LLMProvider, LLMModel, ModelFallback, TablesVersion, ProviderHealth."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.llm import rules
from aiops.people.models import new_id

NAME = RegexValidator(rules.NAME, "Letters, digits and . _ : / @ + - without spaces, beginning with a letter or digit.")
MIN_CACHE_TTL_S = 60
MAX_CACHE_TTL_S = 86_400
MAX_TEMPERATURE = 2


class LLMProvider(models.Model):
    """A service that serves language models, with the handler that speaks to it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=40, unique=True, validators=[NAME])
    handler = models.CharField(max_length=40)
    """Name of its handler: see ``providers``."""
    description = models.CharField(max_length=300, blank=True, default="")
    documentation_url = models.CharField(max_length=500, blank=True, default="")
    config_schema = models.JSONField(default=dict, blank=True)
    """Its settings, which fit the handler's ``config_schema``; the seeds name the field so."""
    is_enabled = models.BooleanField(default=True)
    tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "provider"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        rules.check_provider(self)


class LLMModel(models.Model):
    """One configured model of a provider; at most one is the default."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, unique=True, validators=[NAME])
    """What people choose; the provider knows it by this name unless ``model_config`` has a ``model``."""
    provider = models.ForeignKey(LLMProvider, models.PROTECT, related_name="llm_models")
    description = models.CharField(max_length=300, blank=True, default="")
    model_secret_key = models.ForeignKey(
        "secrets.Secret", models.PROTECT, null=True, blank=True, related_name="llm_models"
    )
    """The secret that holds the API key."""
    temperature = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MAX_TEMPERATURE)]
    )
    cache_ttl = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(MIN_CACHE_TTL_S), MaxValueValidator(MAX_CACHE_TTL_S)]
    )
    """Seconds after which a worker builds this model's client again."""
    model_config = models.JSONField(default=dict, blank=True)
    """Its parameters, which fit the handler's ``model_schema``."""
    system_prompt = models.ForeignKey(
        "system_prompts.SystemPrompt", models.PROTECT, null=True, blank=True, related_name="llm_models"
    )
    """Null: the one of aiops."""
    context_window = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1_000)])
    price_in = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    """Of a million tokens, in AIOPS_CURRENCY."""
    price_out = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    capabilities = models.JSONField(default=dict, blank=True)
    advanced_model = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="advanced_of")
    advanced_patterns = models.JSONField(default=list, blank=True)
    """Regular expressions of the tasks that go to ``advanced_model``."""
    limits = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    """Written at most once a minute by each worker process."""
    groups = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), blank=True)
    """Names of the groups whose members may choose it; empty: everybody. Names and not references, so that a group that
    is deleted opens nothing."""
    tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "model"
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_model"),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(is_enabled=True), name="the_default_model_is_enabled"
            ),
            models.CheckConstraint(condition=Q(cache_ttl__gte=MIN_CACHE_TTL_S), name="cache_ttl_is_a_minute_or_more"),
            models.CheckConstraint(
                condition=Q(temperature__isnull=True) | Q(temperature__gte=0, temperature__lte=MAX_TEMPERATURE),
                name="temperature_is_from_0_to_2",
            ),
            models.CheckConstraint(
                condition=(Q(price_in__isnull=True) | Q(price_in__gte=0))
                & (Q(price_out__isnull=True) | Q(price_out__gte=0)),
                name="prices_are_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        rules.check_model(self)


def with_references() -> models.QuerySet[LLMModel]:
    """Return all models with the rows that they refer to, which costs no further queries."""
    return LLMModel.objects.select_related("provider", "model_secret_key", "advanced_model", "system_prompt")


class ModelFallback(models.Model):
    """A model that answers while another one's provider is down; the lowest position first."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    llm_model = models.ForeignKey(LLMModel, models.CASCADE, related_name="fallback_rows")
    fallback = models.ForeignKey(LLMModel, models.PROTECT, related_name="fallback_of")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["llm_model", "fallback"], name="a_fallback_once"),
            models.CheckConstraint(condition=~Q(llm_model=models.F("fallback")), name="no_fallback_to_itself"),
        ]


class TablesVersion(models.Model):
    """One row: a number that each change of these tables and of secrets raises, in the change's transaction."""

    number = models.BigIntegerField(default=0)


class ProviderHealth(models.Model):
    """Whether a model provider could be reached at the last health check."""

    provider = models.CharField(primary_key=True, max_length=40)
    reachable = models.BooleanField()
    detail = models.CharField(max_length=300)
    checked_at = models.DateTimeField()
    since = models.DateTimeField()
    """Time of the last change of ``reachable``."""
