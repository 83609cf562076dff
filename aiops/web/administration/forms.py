"""Forms of rows: each is tried by what saves it, before it is saved, so that every refusal is beside its field."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django import forms
from django.db import transaction
from django.db.models import Field, JSONField, Model
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from aiops.changes import recording
from aiops.errors import AiopsError, Invalid
from aiops.people.models import User
from aiops.web.api.rows import Rows

CHANGED_MEANWHILE = "It was changed after you opened it: open it again."


class _Undo(Exception):
    """Takes back what was tried."""


class ObjectsField(forms.JSONField):
    """A JSON object, shown with its lines indented; empty: none."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):  # what was sent and is shown again
            return value
        return json.dumps(value, indent=2, ensure_ascii=False) if value else ""

    def clean(self, value: Any) -> Any:
        found = super().clean(value)
        if found is not None and not isinstance(found, dict):
            raise forms.ValidationError("Not an object of names and values.")
        return found or {}

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((self.to_python(data) or {}) != (initial or {}))
        except forms.ValidationError:
            return True


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != [line.strip() for line in (data or "").splitlines() if line.strip()]


def form_field(column: Field[Any, Any], made: Any) -> Any:
    """Return the form's field for a column: lists and objects have fields of their own."""
    if not isinstance(column, JSONField):
        return made
    kind = LinesField if column.default is list else ObjectsField
    return kind(required=False, label=made.label, help_text=made.help_text)


def add_errors(form: Any, refused: AiopsError) -> None:
    """Show why something was refused: beside the fields that it names, or above the form."""
    errors = refused.errors if isinstance(refused, Invalid) else {}
    for name, reasons in errors.items():
        form.add_error(name if name in form.fields else None, [str(one) for one in reasons])
    if not errors:
        form.add_error(None, refused.detail)


class ReasonForm(forms.Form):
    """Why, for the change log."""

    reason = forms.CharField(
        required=False,
        max_length=recording.MAX_REASON_CHARACTERS,
        label="Reason",
        help_text="Why, for the change log.",
        widget=UnfoldAdminTextInputWidget,
    )


class RowForm(forms.ModelForm[Any], ReasonForm):
    """Writes through the resource of the API; ``extra`` are fields that no column has."""

    rows: type[Rows]
    user: User
    extra: ClassVar[tuple[str, ...]] = ()
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    """When the row was changed last, as far as the person saw."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["seen"].initial = self._version()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.pop("seen", "") != self._version():
            raise forms.ValidationError(CHANGED_MEANWHILE)
        return cleaned

    def write(self) -> Model:
        """Save what was changed; raises AiopsError."""
        model = self.rows.table
        rows = model.objects.select_for_update()
        row = model(pk=self.instance.pk) if self.instance._state.adding else rows.get(pk=self.instance.pk)
        with recording.by(self.user, reason=self.cleaned_data.get("reason", "").strip()):
            saved: Model = self.rows().save_row(row, self._given(), self.user)
        return saved

    def _post_clean(self) -> None:
        """Try to save, in place of Django's check of the row, which knows only what columns say."""
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.write()
                raise _Undo
        except _Undo:
            return
        except AiopsError as refused:
            add_errors(self, refused)

    def _given(self) -> dict[str, Any]:
        """Return the fields that were changed; all of a new row."""
        names = self.changed_data if not self.instance._state.adding else list(self.cleaned_data)
        return {name: self.cleaned_data[name] for name in names if name not in ("seen", "reason")}

    def _version(self) -> str:
        return "" if self.instance._state.adding else self.instance.updated_at.isoformat()
