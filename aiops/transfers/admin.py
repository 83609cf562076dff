"""Transfers in the administration: upload a file, see how far a worker is and what came of it, fetch the result."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminFileFieldWidget

from aiops.changes import recording
from aiops.errors import AiopsError, Invalid
from aiops.people.models import User
from aiops.transfers.asking import ask
from aiops.transfers.jobs import SILENT
from aiops.transfers.models import Transfer
from aiops.transfers.reading import MAX_FILE_BYTES
from aiops.transfers.tables import Table, table
from aiops.web.administration.forms import ReasonForm, add_errors
from aiops.web.pages.failures import refuse

REFRESH_S = 2


class UploadForm(ReasonForm):
    file = forms.FileField(
        label="CSV file", widget=UnfoldAdminFileFieldWidget, help_text=f"At most {MAX_FILE_BYTES // 1_000_000} MB."
    )
    field_order = ("file", "reason")


@admin.register(Transfer)
class TransferAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("table", "direction", "file_name", "state", "created_at", "finished_at")
    list_filter = ("direction", "state")
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        """Show people their own."""
        found: QuerySet[Transfer] = super().get_queryset(request).filter(user=request.user).defer("file")
        return found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Transfer | None = None) -> bool:
        return bool(request.user.is_staff) and (obj is None or obj.user_id == request.user.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Transfer | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Transfer | None = None) -> bool:
        """Files go with the person who is deleted; one that is deleted while a worker has it is left by it."""
        return bool(request.user.is_staff)

    def get_urls(self) -> list[URLPattern]:
        own = self.admin_site.admin_view
        more = [
            path("<uuid:pk>/file/", own(self.fetch), name="transfers_file"),
            path("import/", own(import_view), name="transfers_import"),
            path("export/", own(require_POST(export_view)), name="transfers_export"),
        ]
        return [*more, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far it is, what came of it, and what is wrong with the file."""
        transfer = self.get_object(request, object_id)
        if transfer is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        silent = timezone.now() - SILENT
        context = {
            **self.admin_site.each_context(request),
            "title": str(transfer),
            "transfer": transfer,
            "is_open": transfer.finished_at is None,
            "is_waiting": transfer.finished_at is None and (transfer.touched_at or transfer.created_at) < silent,
            "nothing_changed": transfer.direction == Transfer.Direction.IMPORT and not transfer.outcome,
            "refresh_s": REFRESH_S,
            "back": _back(table(transfer.table)),
            "opts": self.opts,
        }
        return TemplateResponse(request, "transfers/transfer.html", context)

    def fetch(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Send the file that came out."""
        transfer = get_object_or_404(
            Transfer, pk=pk, user=request.user, direction=Transfer.Direction.EXPORT, state=Transfer.State.DONE
        )
        headers = {"Content-Disposition": f'attachment; filename="{transfer.file_name}"'}
        return HttpResponse(bytes(transfer.file or b""), content_type="text/csv; charset=utf-8", headers=headers)


def import_view(request: HttpRequest) -> HttpResponse:
    """Take a file for the table that the query names."""
    try:
        of = table(request.GET.get("table", ""))
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            if file.size > MAX_FILE_BYTES:
                raise Invalid(f"The file has more than {MAX_FILE_BYTES} bytes: split it.")
            reason = form.cleaned_data["reason"].strip()
            user = cast(User, request.user)
            with recording.by(user, reason=reason):  # a missing reason is refused now, and not for each row
                made = ask(
                    user,
                    of,
                    direction=Transfer.Direction.IMPORT,
                    file_name=file.name[:200],
                    file=file.read(),
                    reason=reason,
                )
            return HttpResponseRedirect(_page(made))
    except Invalid as refused:
        add_errors(form, refused)
    except AiopsError as error:
        return refuse(request, error)
    context = {
        **admin.site.each_context(request),
        "title": f"Import {of.model._meta.verbose_name_plural}",
        "form": form,
        "columns": list(of.columns),
        "key": of.key,
        "adds": of.adds,
        "back": _back(of),
    }
    return TemplateResponse(request, "transfers/import.html", context)


def export_view(request: HttpRequest) -> HttpResponse:
    """Begin to export all rows of the table that the form names."""
    try:
        return HttpResponseRedirect(_page(_export(request, table(request.POST.get("table", "")), [])))
    except AiopsError as error:
        return refuse(request, error)


def export_rows(of: Any, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
    """Begin to export the chosen rows (an action of their administration)."""
    chosen = [str(pk) for pk in queryset.values_list("pk", flat=True)]
    if not chosen:
        of.message_user(request, "None of the chosen rows is there any more.", messages.ERROR)
        return None
    try:
        return HttpResponseRedirect(_page(_export(request, table(of.resource), chosen)))
    except AiopsError as error:
        of.message_user(request, error.detail, messages.ERROR)
        return None


def _export(request: HttpRequest, of: Table, chosen: list[str]) -> Transfer:
    name = f"{of.path}-{timezone.now():%Y-%m-%d}.csv"
    user: Any = request.user
    return ask(user, of, direction=Transfer.Direction.EXPORT, file_name=name, chosen=chosen)


def _page(transfer: Transfer) -> str:
    return reverse("admin:transfers_transfer_change", args=[transfer.pk])


def _back(of: Table) -> str:
    meta = of.model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
