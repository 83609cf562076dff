"""How the audit log is filtered: in the API, on the page, and in an export."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from aiops.audit.actions import Action
from aiops.audit.models import AuditRow


class TimeField(django_filters.fields.IsoDateTimeField):
    """A time that has one in UTC, too: the year 1 in Asia has none."""

    def clean(self, value: Any) -> datetime | None:
        given: datetime | None = super().clean(value)
        try:
            return given and given.astimezone(UTC)
        except OverflowError:
            raise ValidationError("There is no such time.") from None


class TimeFilter(django_filters.IsoDateTimeFilter):
    field_class = TimeField


class AuditFilters(django_filters.FilterSet):
    """By actor, action and object, exactly; and by time. Times without a zone are in UTC."""

    actor = django_filters.CharFilter(max_length=150)
    action = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in Action])
    object = django_filters.CharFilter(max_length=300)
    since = TimeFilter(method="from_time")
    until = TimeFilter(method="to_time")

    def from_time(self, queryset: QuerySet[AuditRow], name: str, value: datetime) -> QuerySet[AuditRow]:
        return queryset.filter(at__gte=value)

    def to_time(self, queryset: QuerySet[AuditRow], name: str, value: datetime) -> QuerySet[AuditRow]:
        return queryset.filter(at__lt=value)
