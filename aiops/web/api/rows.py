"""The API of rows that configure aiops: by Django's permissions, one by one or many at once, with a change log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast
from urllib.parse import unquote

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from aiops.changes import recording
from aiops.errors import Invalid, NotFound
from aiops.people.models import User
from aiops.web.api import creating
from aiops.web.api.authentication import MayWrite
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ByChoice, ById
from aiops.web.api.parsing import Strict, StrictRows
from aiops.web.api.row_shapes import REASON, ChangeOut, RowId

MOST = 1_000
"""Rows of one request."""
NOT_POSSIBLE = "idempotency_not_possible"
VERBS = {
    "GET": "view",
    "HEAD": "view",
    "OPTIONS": "view",
    "POST": "add",
    "PUT": "change",
    "PATCH": "change",
    "DELETE": "delete",
}


class MayManage(MayWrite):
    """Requires Django's permission to view, add, change or delete the view's rows.

    A view's ``rights`` name the verb of its own actions.
    """

    message = "You need the permission to see or change these."

    def has_permission(self, request: Request, view: Any) -> bool:
        verb = getattr(view, "rights", {}).get(getattr(view, "action", "")) or VERBS.get(request.method or "", "")
        meta = view.queryset.model._meta
        return super().has_permission(request, view) and request.user.has_perm(
            f"{meta.app_label}.{verb}_{meta.model_name}"
        )


class Router(SimpleRouter):
    """DRF's, with PATCH and DELETE of a list for the views that take them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        lists: Any = self.routes[0]
        mapping = {**lists.mapping, "patch": "bulk_update", "delete": "bulk_destroy"}
        self.routes = [lists._replace(mapping=mapping), *self.routes[1:]]


class TagFilter(django_filters.CharFilter):
    """Rows that have a tag."""

    def __init__(self, **options: Any) -> None:
        super().__init__(field_name="tags", max_length=40, **options)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Look for the word in the JSON text, which both databases can."""
        return qs.filter(tags__icontains=f'"{value}"') if value else qs


class KeptRows(ListModelMixin, RetrieveModelMixin, GenericViewSet[Any]):
    """A resource of configuration rows that aiops makes itself: people change them; ``change`` reads the fields."""

    permission_classes = [MayManage]
    parser_classes = [StrictRows]
    rights = {"history": "view"}
    pagination_class = ByChoice
    filter_backends = [StrictFilters]
    lookup_value_converter = "uuid"
    table: ClassVar[type[Any]]
    change: ClassVar[type[Strict]]
    key: ClassVar[tuple[str, ...]] = ()
    """The fields that say, in a file, which row is meant; none: these rows have no files."""
    later: ClassVar[tuple[str, ...]] = ()
    """Fields that refer to other rows of the same table, which a file may add."""
    keyed = True
    """Whether an Idempotency-Key is taken; it keeps a digest of the body."""
    file_class: ClassVar[type[serializers.BaseSerializer[Any]] | None] = None
    """Shape of a row in a file, where that of the API shows more than the row."""
    orderings = ("name", "created_at", "updated_at")
    """What a list can be ordered by; - before it: descending."""

    def save_row(self, row: Any, fields: dict[str, Any], user: User) -> Any:
        """Apply fields and save; raises Invalid, Forbidden or Conflict."""
        raise NotImplementedError

    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change fields of a row; it is in force within a second."""
        return self._change(request, pk, self.change.read(_one(request.data)))

    def bulk_update(self, request: Request) -> Response:
        """Change each row of a list, all or none: {id, and the fields to change}."""
        bodies = rows_of(request.data)

        def change(body: dict[str, Any]) -> Any:
            named = RowId.read({"id": body.get("id")})["id"]
            fields = self.change.read({name: value for name, value in body.items() if name != "id"})
            return self.save_row(self._locked(named), fields, cast(User, request.user))

        with self._by(request), transaction.atomic():
            return Response(self._each(bodies, change))

    @action(detail=True, methods=["get"], pagination_class=ById, filter_backends=[])
    def history(self, request: Request, pk: Any) -> Response:
        """Return the row's change log, the latest first."""
        page = self.paginate_queryset(recording.of(self.get_object()))
        return self.get_paginated_response(ChangeOut(page, many=True).data)

    def _change(self, request: Request, pk: Any, fields: dict[str, Any]) -> Response:
        with self._by(request), transaction.atomic():
            row = self.save_row(self._locked(pk), fields, cast(User, request.user))
        return Response(self.get_serializer(row).data)

    def _each(self, bodies: list[Any], act: Callable[[Any], Any], *, show: bool = True) -> list[Any]:
        made = []
        for index, body in enumerate(bodies):
            try:
                made.append(act(body))
            except (Invalid, serializers.ValidationError) as error:
                if len(bodies) == 1:
                    raise
                raise _at(index, error) from error
        return [self.get_serializer(row).data for row in made] if show else []

    def _locked(self, pk: Any) -> Any:
        row = self.get_queryset().select_for_update(of=("self",)).filter(pk=pk).first()
        if row is None:
            raise NotFound("There is no such row, or it was deleted meanwhile.")
        return row

    def _by(self, request: Request) -> Any:
        return recording.by(cast(User, request.user), reason=unquote(request.headers.get(REASON, "")).strip())


class Rows(KeptRows):
    """A resource of configuration rows that people make, by name; ``shape`` reads a new row."""

    shape: ClassVar[type[Strict]]
    defaults: ClassVar[dict[str, Any]] = {}
    """What PUT sets where the body is silent."""
    key: ClassVar[tuple[str, ...]] = ("name",)

    def remove_row(self, row: Any, user: User) -> None:
        """Delete a row; raises Conflict while it is in use."""
        raise NotImplementedError

    def create(self, request: Request) -> Response:
        """Create a row, or each of a list, all or none."""
        bodies = request.data if isinstance(request.data, list) else [request.data]
        _refuse_many(bodies)
        user = cast(User, request.user)

        def act(_: User) -> tuple[int, Any]:
            made = self._each(bodies, lambda body: self.save_row(self.table(), self.shape.read(body), user))
            return 201, made if isinstance(request.data, list) else made[0]

        with self._by(request):
            if self.keyed:
                return creating.create(request, act)
            if creating.HEADER in request.headers:
                raise Invalid("A digest of the value would be kept: send no Idempotency-Key here.", code=NOT_POSSIBLE)
            with transaction.atomic():
                status, made = act(user)
            return Response(made, status=status)

    def update(self, request: Request, pk: Any) -> Response:
        """Replace a row."""
        return self._change(request, pk, {**self.defaults, **self.shape.read(_one(request.data))})

    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete a row; 409, naming what uses it, while it is in use."""
        with self._by(request), transaction.atomic():
            self.remove_row(self._locked(pk), cast(User, request.user))
        return Response(status=204)

    def bulk_destroy(self, request: Request) -> Response:
        """Delete each row of a list of {id}, all or none."""
        bodies = rows_of(request.data)

        def delete(body: dict[str, Any]) -> None:
            self.remove_row(self._locked(RowId.read(body)["id"]), cast(User, request.user))

        with self._by(request), transaction.atomic():
            self._each(bodies, delete, show=False)
        return Response(status=204)


def _one(body: Any) -> Any:
    if isinstance(body, list):
        raise Invalid("The body must be a JSON object.", code="invalid_json")
    return body


def rows_of(body: Any) -> list[Any]:
    """Return the rows of a list; raises Invalid."""
    if not isinstance(body, list):
        raise Invalid("The body must be a list of JSON objects.", code="invalid_json")
    _refuse_many(body)
    return body


def _refuse_many(bodies: list[Any]) -> None:
    if not 1 <= len(bodies) <= MOST:
        raise Invalid(f"A list of 1 to {MOST} rows, not of {len(bodies)}.", code="invalid_json")


def _at(index: int, error: Invalid | serializers.ValidationError) -> Invalid:
    """Return the error with the place of its row before the names of its fields."""
    if isinstance(error, Invalid):
        found: dict[str, Any] = error.errors
    else:
        found = error.detail if isinstance(error.detail, dict) else {"row": error.detail}
    return Invalid(
        f"Row {index} cannot be saved; none was.",
        errors={f"{index}.{field}": [str(one) for one in reasons] for field, reasons in found.items()},
    )
