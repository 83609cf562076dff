"""How lists of runs are filtered, in the API and on the page."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet, Subquery

from aiops.people.models import User
from aiops.runs import listing, sources, states
from aiops.runs.models import Run
from aiops.runs.notices import TOOL_FAILED


class RunFilters(django_filters.FilterSet):
    """By state and conversation; by user, source, model and search among the newest runs."""

    state = django_filters.ChoiceFilter(choices=states.CHOICES)
    conversation = django_filters.UUIDFilter(field_name="conversation_id")
    user = django_filters.CharFilter(field_name="user__username", max_length=150)
    source = django_filters.ChoiceFilter(choices=sources.CHOICES)
    model = django_filters.CharFilter(method="of_model", max_length=300)
    search = django_filters.CharFilter(method="containing", max_length=200)
    notice = django_filters.ChoiceFilter(choices=[(TOOL_FAILED, "A tool failed")], method="with_notice")

    def filter_queryset(self, queryset: QuerySet[Run]) -> QuerySet[Run]:
        """Bound what the filters read, unless they have an index."""
        given = {name for name, value in self.form.cleaned_data.items() if value}
        if "user" in given:  # first: of somebody's runs there are fewer
            asked = User.objects.filter(username=self.form.cleaned_data["user"])
            queryset = queryset.filter(user=Subquery(asked.values("pk")[:1]))
        bounded = not given or "conversation" in given or (given == {"state"} and self.is_for_one_user)
        found: QuerySet[Run] = super().filter_queryset(queryset if bounded else listing.newest(queryset))
        return found

    @property
    def is_for_one_user(self) -> bool:
        """Whether the list has only the caller's runs."""
        return self.request is None or not self.request.user.has_perm(listing.VIEW_ALL)

    def of_model(self, queryset: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        return listing.of_model(queryset, value)

    def with_notice(self, queryset: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        return listing.with_notice(queryset, value)

    def containing(self, queryset: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        return listing.containing(queryset, value)
