"""The API of tools: what servers offer, what was decided about it, and calls to try; by permission."""

from __future__ import annotations

import functools
from typing import Any, cast

import django_filters
from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.llm import own_tools
from aiops.people.models import User
from aiops.tool_servers.api.tool_shapes import (
    AcceptIn,
    AcceptOne,
    OwnToolOut,
    ToolChange,
    ToolInFile,
    ToolRowOut,
    ToolTryIn,
    WholeToolOut,
)
from aiops.tool_servers.catalogue import figures, saving
from aiops.tool_servers.models import Tool
from aiops.tool_servers.shapes import TrialOut
from aiops.trials.asking import ask
from aiops.web.api.row_shapes import WHY, ChangeOut
from aiops.web.api.rows import KeptRows, rows_of

TAG = "tools"
NONE = figures.Figures()
LISTS = ("list", "bulk_update", "accept_several")


class ToolFilters(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=Tool.Status.choices)
    tool_class = django_filters.ChoiceFilter(choices=Tool.Class.choices)
    server = django_filters.CharFilter(field_name="server__name", max_length=31)
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("search", str)], tags=[TAG]),
    retrieve=extend_schema(responses=WholeToolOut, tags=[TAG]),
    partial_update=extend_schema(request=ToolChange, responses=WholeToolOut, parameters=[WHY], tags=[TAG]),
    history=extend_schema(responses=ChangeOut(many=True), filters=False, tags=[TAG]),
)
class Tools(KeptRows):
    """``/api/tools/``: the tools of all servers. Runs use those that are accepted and enabled."""

    table = Tool
    queryset = Tool.objects.select_related("server")
    key = ("server", "name")
    file_class = ToolInFile
    rights = {
        **KeptRows.rights,
        **{"accept": "change", "accept_several": "change"},
        **{"try_tool": "view", "providers": "view"},
    }
    serializer_class = ToolRowOut
    filterset_class = ToolFilters
    change = ToolChange

    def get_serializer_class(self) -> type[ToolRowOut]:
        """Show whole definitions, up to 64 kB each, of one tool at a time."""
        return ToolRowOut if self.action in LISTS else WholeToolOut

    def get_serializer_context(self) -> dict[str, Any]:
        """Give the shapes the figures of the latest calls, which are read once, when they are needed."""

        @functools.cache
        def all_figures() -> dict[tuple[str, str], figures.Figures]:
            return figures.lately()

        def lately(row: Tool) -> figures.Figures:
            return all_figures().get((row.server.name, row.name), NONE)

        return {**super().get_serializer_context(), "lately": lately}

    def save_row(self, row: Tool, fields: dict[str, Any], user: User) -> Tool:
        return saving.put(row, fields)

    @extend_schema(
        operation_id="tools_bulk_update",
        request=ToolChange(many=True),
        responses=ToolRowOut(many=True),
        filters=False,
        parameters=[WHY],
        tags=[TAG],
    )
    def bulk_update(self, request: Request) -> Response:
        """Change each tool of a list, all or none: {id, and the fields to change}."""
        return super().bulk_update(request)

    @extend_schema(request=AcceptIn, responses=WholeToolOut, parameters=[WHY], tags=[TAG])
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: Any) -> Response:
        """Accept a tool as its server offers it now; 409 when that is not what the ``pin`` says."""
        fields = AcceptIn.read(request.data)
        with self._by(request), transaction.atomic():
            row = saving.accept(self._locked(pk), pin=fields.get("pin", ""))
        return Response(self.get_serializer(row).data)

    @extend_schema(
        operation_id="tools_accept_several",
        request=AcceptOne(many=True),
        responses=ToolRowOut(many=True),
        filters=False,
        parameters=[WHY],
        tags=[TAG],
    )
    @action(detail=False, methods=["post"], url_path="accept", pagination_class=None)
    def accept_several(self, request: Request) -> Response:
        """Accept each tool of a list of {id, pin}, all or none."""

        def act(body: dict[str, Any]) -> Tool:
            fields = AcceptOne.read(body)
            return saving.accept(self._locked(fields["id"]), pin=fields.get("pin", ""))

        with self._by(request), transaction.atomic():
            return Response(self._each(rows_of(request.data), act))

    @extend_schema(operation_id="tools_providers", responses=OwnToolOut(many=True), tags=[TAG])
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=[])
    def providers(self, request: Request) -> Response:
        """Return the tools that providers of models run themselves: not under approval, so they are off."""
        return Response(OwnToolOut(own_tools.listed(), many=True).data)

    @extend_schema(request=ToolTryIn, responses=TrialOut, tags=[TAG])
    @action(detail=True, methods=["post"], url_path="try")
    def try_tool(self, request: Request, pk: Any) -> Response:
        """Call a tool that only reads, and return its result; others are refused."""
        user = cast(User, request.user)
        asked = {**ToolTryIn.read(request.data), "tool": str(self.get_object().pk), "user": str(user.pk)}
        return Response(ask(user, "tool", asked))
