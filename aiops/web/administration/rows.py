"""The administration of a resource of rows: forms, bulk edits, deletion and changes, as its API does them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin

from aiops.apps import features, load
from aiops.changes import recording
from aiops.errors import AiopsError
from aiops.web.administration import bulk
from aiops.web.administration.forms import ReasonForm, RowForm, add_errors, form_field
from aiops.web.api.rows import MOST, KeptRows, Rows

SHOWN_ROWS = 20
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHOWN_CHANGES = 100
FOLDER = "web/administration"
SCHEMA = (
    '<details><summary class="cursor-pointer relative">What it can have: {}</summary>'
    '<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre></details>'
)


class RowAdmin(ModelAdmin):  # type: ignore[misc]
    """``rows`` is the resource of the API; ``resource`` its path below /api/, by which CSV files know it."""

    rows: ClassVar[type[KeptRows]]
    resource: ClassVar[str]
    form = RowForm
    warn_unsaved_form = True
    list_per_page = 50
    show_full_result_count = False
    list_before_template = f"{FOLDER}/files.html"
    object_history_template = f"{FOLDER}/history.html"
    json_lists: tuple[str, ...] = ()
    """Columns of lists whose texts may have several lines."""
    actions: tuple[str, ...] = ("bulk_edit", "delete_rows")

    def schemas(self, name: str, row: Model | None) -> Mapping[str, Any]:
        """Return the JSON Schemas that a field's value can fit, by title; ``row`` is None for a new one."""
        return {}

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        may = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        return [*self._columns(), *((*self.form.extra, "reason", "seen") if may else ())]

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change, **options)
        form.rows, form.user = self.rows, request.user
        for name, field in form.base_fields.items():
            if shown := self.schemas(name, obj):
                field.help_text = _shown(shown)
        return form

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **options: Any) -> Any:
        made = super().formfield_for_dbfield(db_field, request, **options)
        return form_field(db_field, made, as_json=db_field.name in self.json_lists)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer what the features add to all rows; Django's own deletion would not ask what uses a row."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        for feature in features():
            for name, (title, dotted) in feature.row_actions.items():
                found[name] = (load(dotted), name, title)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer to import a file to those who may; no file adds rows that aiops makes itself."""
        adds = issubclass(self.rows, Rows)
        may = self.has_add_permission(request) if adds else self.has_change_permission(request)
        answer: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "may_import": may})
        return answer

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Tell what was refused after the form had been tried: another change came between."""
        try:
            answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except AiopsError as refused:
            self.message_user(request, refused.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return answer

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        saved = form.write()
        obj.__dict__.update(saved.__dict__)

    def bulk_edit(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
        """Show the form for the chosen rows, or apply it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = bulk.BulkForm(self._shared(request), _sent(request))
        user: Any = request.user
        return self._ask_or_do(
            *(request, queryset, form),
            lambda chosen: bulk.apply(self.rows, chosen, form, user),
            "bulk_edit",
            title="Change the selected",
            done="{} changed.",
        )

    bulk_edit.short_description = "Change selected"  # type: ignore[attr-defined]
    bulk_edit.allowed_permissions = ("change",)  # type: ignore[attr-defined]

    def delete_rows(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
        """Ask whether to delete the chosen rows, or delete them."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        form = ReasonForm(_sent(request))
        user: Any = request.user
        return self._ask_or_do(
            *(request, queryset, form),
            lambda chosen: bulk.remove(cast(type[Rows], self.rows), chosen, form.cleaned_data["reason"].strip(), user),
            "delete_rows",
            title="Delete the selected",
            done="{} deleted.",
        )

    delete_rows.short_description = "Delete selected"  # type: ignore[attr-defined]
    delete_rows.allowed_permissions = ("delete",)  # type: ignore[attr-defined]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete one row as the list does, with a reason."""
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        answer = self.delete_rows(request, self.rows.table.objects.filter(pk=row.pk))
        return answer or HttpResponseRedirect("../../")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the change log of the row, which knows all doors."""
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"Changes: {row}",
            "changes": recording.of(row)[:SHOWN_CHANGES],
            "object": row,
            "opts": self.opts,
        }
        return TemplateResponse(request, self.object_history_template, context)

    def _columns(self) -> list[str]:
        """Return the fields of the API that are columns, in the order of the API."""
        columns = {str(column.name) for column in self.opts.concrete_fields}
        return [name for name in map(str, self.rows.change().fields) if name in columns]

    def _shared(self, request: HttpRequest) -> dict[str, tuple[Field[Any, Any], forms.Field]]:
        """Return what many rows can have alike: no names, and not what only one can have."""
        form = self.get_form(request)
        alone = {"is_default"} | {name for names in self.opts.total_unique_constraints for name in names.fields}
        columns = {name: self.opts.get_field(name) for name in self._columns()}
        return {
            name: (column, form.base_fields[name])
            for name, column in columns.items()
            if not column.unique and name not in alone and name in form.base_fields
        }

    def _ask_or_do(
        self,
        request: HttpRequest,
        queryset: QuerySet[Model],
        form: Any,
        do: Callable[[QuerySet[Model]], int],
        action: str,
        *,
        title: str,
        done: str,
    ) -> HttpResponse | None:
        """Show a form about the chosen rows, or do what it says and go back to the list."""
        if (chosen := self._few(request, queryset)) is None:
            return None
        if form.is_bound and form.is_valid():
            try:
                count = do(chosen)
            except AiopsError as refused:
                add_errors(form, refused)
            else:
                self.message_user(request, done.format(count), messages.SUCCESS)
                return None
        return self._asked(request, chosen, action, form=form, title=title)

    def _few(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model] | None:
        """Return the chosen rows by their ids, which the next request repeats; None, with a message, for too many."""
        if "ids" in request.POST:  # one field: a request has at most a thousand
            given = [one for one in request.POST["ids"].split(",") if UUID_TEXT.fullmatch(one)]
            queryset = self.get_queryset(request).filter(pk__in=given[: MOST + 1])
        ids = list(queryset.order_by().values_list("pk", flat=True)[: MOST + 1])
        if len(ids) > MOST:
            self.message_user(request, bulk.TOO_MANY, messages.ERROR)
            return None
        found: QuerySet[Model] = self.rows.table.objects.filter(pk__in=ids)
        return found

    def _asked(self, request: HttpRequest, chosen: QuerySet[Model], action: str, **context: Any) -> TemplateResponse:
        ids = list(chosen.values_list("pk", flat=True))
        return TemplateResponse(
            request,
            f"{FOLDER}/{action}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "names": [str(row) for row in chosen[:SHOWN_ROWS]],
                "more": max(len(ids) - SHOWN_ROWS, 0),
                "ids": ids,
                "checkbox": ACTION_CHECKBOX_NAME,
                "action": action,
                "media": self.media + context["form"].media,
                **context,
            },
        )


def _sent(request: HttpRequest) -> Any:
    """Return what the form about chosen rows says; None when it is only to be shown."""
    return request.POST if "apply" in request.POST else None


def _shown(schemas: Mapping[str, Any]) -> Any:
    """Return schemas as text that unfolds."""
    each = ((title, json.dumps(schema, indent=2, ensure_ascii=False)) for title, schema in schemas.items())
    return format_html_join("", SCHEMA, each)
