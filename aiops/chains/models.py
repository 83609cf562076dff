"""Tables of chains: MiddlewareType, LLMMiddleware."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.chains import rules
from aiops.people.models import new_id

LOWEST, HIGHEST = 1, 100


class MiddlewareType(models.Model):
    """A kind of middleware: one of aiops, or of an installed package."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"^[A-Z][A-Za-z0-9]*Middleware\Z", "PascalCase, and Middleware at its end.")],
    )
    path = models.CharField(max_length=200)
    """``module:Class``."""
    is_custom = models.BooleanField(default=True)
    description = models.CharField(max_length=300, blank=True, default="")
    config_schema = models.JSONField(default=dict, blank=True)
    default_config = models.JSONField(default=dict, blank=True)
    tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        rules.check_type(self)


class LLMMiddleware(models.Model):
    """A middleware of one model; the lowest priority is outermost, then the name decides."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    llm_model = models.ForeignKey("llm.LLMModel", models.CASCADE, related_name="middleware_rows")
    middleware = models.ForeignKey(MiddlewareType, models.PROTECT, related_name="uses")
    config = models.JSONField(default=dict, blank=True)
    """Laid over the type's ``default_config``."""
    priority = models.PositiveSmallIntegerField(
        default=50, validators=[MinValueValidator(LOWEST), MaxValueValidator(HIGHEST)]
    )
    is_active = models.BooleanField(default=True)
    is_critical = models.BooleanField(default=False)
    """Whether a run fails when it cannot start; otherwise it is left out, with a notice."""
    tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["priority", "middleware__name"]
        verbose_name = verbose_name_plural = "middleware"
        constraints = [
            models.UniqueConstraint(fields=["llm_model", "middleware"], name="a_middleware_once_per_model"),
            models.CheckConstraint(
                condition=Q(priority__gte=LOWEST, priority__lte=HIGHEST), name="priority_is_from_1_to_100"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.middleware} of {self.llm_model}"

    def clean(self) -> None:
        rules.check_use(self)
