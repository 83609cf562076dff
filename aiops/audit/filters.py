"""How the audit log is filtered: in the API, on the page, and in an export."""

from __future__ import annotations

from datetime import datetime

import django_filters
from django.db.models import QuerySet

from aiops.audit.actions import Action
from aiops.audit.models import AuditRow


class AuditFilters(django_filters.FilterSet):
    """By actor, action and object, exactly; and by time. Times without a zone are in UTC."""

    actor = django_filters.CharFilter(max_length=150)
    action = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in Action])
    object = django_filters.CharFilter(max_length=300)
    since = django_filters.IsoDateTimeFilter(method="from_time")
    until = django_filters.IsoDateTimeFilter(method="to_time")

    def from_time(self, queryset: QuerySet[AuditRow], name: str, value: datetime) -> QuerySet[AuditRow]:
        return queryset.filter(at__gte=value)

    def to_time(self, queryset: QuerySet[AuditRow], name: str, value: datetime) -> QuerySet[AuditRow]:
        return queryset.filter(at__lt=value)
