"""The API of system prompts and their versions; by permission."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.people.models import User
from aiops.system_prompts import saving
from aiops.system_prompts.models import SystemPrompt
from aiops.system_prompts.shapes import PromptChange, PromptIn, PromptVersionOut, SystemPromptOut
from aiops.web.api.paging import ByNewestNumber
from aiops.web.api.row_shapes import described
from aiops.web.api.rows import Rows, TagFilter

TAG = "system-prompts"


class PromptFilters(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=SystemPrompt.Status.choices)
    tag = TagFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


@described(
    TAG,
    new=PromptIn,
    change=PromptChange,
    row=SystemPromptOut,
    example=(
        "a prompt with the date and the tools",
        {
            "name": "night shift",
            "prompt_text": "Today is {current_date}. You are {model_name}; your tools: {tool_names}.",
            "status": "approved",
        },
    ),
)
class SystemPrompts(Rows):
    """``/api/system-prompts/``."""

    table = SystemPrompt
    queryset = SystemPrompt.objects.all()
    rights = {**Rows.rights, "versions": "view"}
    serializer_class = SystemPromptOut
    filterset_class = PromptFilters
    shape, change = PromptIn, PromptChange
    defaults = {"status": "draft", "tags": []}

    def save_row(self, row: SystemPrompt, fields: dict[str, Any], user: User) -> SystemPrompt:
        return saving.put(row, fields, user)

    def remove_row(self, row: SystemPrompt, user: User) -> None:
        saving.remove(row)

    @extend_schema(responses=PromptVersionOut(many=True), filters=False, tags=[TAG])
    @action(detail=True, methods=["get"], pagination_class=ByNewestNumber, filter_backends=[])
    def versions(self, request: Request, pk: Any) -> Response:
        """Return the texts that it has and had, the latest first."""
        page = self.paginate_queryset(self.get_object().versions.select_related("author"))
        return self.get_paginated_response(PromptVersionOut(page, many=True).data)
