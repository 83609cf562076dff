"""Forms of rows: each is tried by what saves it, before it is saved, so that every refusal is beside its field."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django import forms
from django.db import transaction
from django.db.models import Field, JSONField, Model, TextField
from rest_framework import serializers
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from aiops import untrusted
from aiops.changes import recording
from aiops.errors import AiopsError, Conflict, Invalid
from aiops.people.models import User
from aiops.web.api.rows import KeptRows

CHANGED_MEANWHILE = "It was changed after you opened it: open it again."


class _Undo(Exception):
    """Takes back what was tried."""


class ObjectsField(forms.JSONField):
    """A JSON object, or a list, shown with its lines indented; empty: none."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, kind: type[Any] = dict, **options: Any) -> None:
        super().__init__(**options)
        self._kind = kind

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what was sent as it is: it is shown again, and may be no JSON."""
        return data

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):  # what was sent and is shown again
            return value
        return json.dumps(value, indent=2, ensure_ascii=False) if value else ""

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            return value or None
        try:
            return untrusted.strict(value)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self, value: Any) -> Any:
        found = super().clean(value)
        if found is not None and not isinstance(found, self._kind):
            kind = "an object of names and values" if self._kind is dict else "a list"
            raise forms.ValidationError(f"Not {kind}.")
        return found or self._kind()

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((self.to_python(data) or self._kind()) != (initial or self._kind()))
        except forms.ValidationError:
            return True


class LongTextField(forms.CharField):
    """A text as it is: a browser sends its lines with CRLF."""

    widget = UnfoldAdminTextareaWidget

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or "") != self.to_python(data))


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != [line.strip() for line in (data or "").splitlines() if line.strip()]


def form_field(column: Field[Any, Any], made: Any, *, as_json: bool = False) -> Any:
    """Return the form's field for a column: texts, lists and objects have fields of their own."""
    shown: dict[str, Any] = {"label": getattr(made, "label", ""), "help_text": getattr(made, "help_text", "")}
    if isinstance(column, TextField):
        return LongTextField(required=made.required, strip=False, **shown)
    if not isinstance(column, JSONField):
        return made
    if column.default is list and not as_json:
        return LinesField(required=False, **{**shown, "help_text": shown["help_text"] or "One in each line."})
    return ObjectsField(list if column.default is list else dict, required=False, **shown)


def checked(rows: type[KeptRows], given: dict[str, Any]) -> dict[str, Any]:
    """Return the values as the API takes them, such as tags without commas; raises Invalid."""
    known, read, errors = rows.change().fields, dict(given), {}
    for name, value in given.items():
        if value is None or isinstance(value, Model) or name not in known:
            continue
        try:
            read[name] = known[name].run_validation(value)
        except serializers.ValidationError as error:
            errors[name] = [str(one) for one in error.detail] if isinstance(error.detail, list) else [str(error.detail)]
    if errors:
        raise Invalid(f"Correct {', '.join(errors)}.", errors=errors)
    return read


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

    rows: type[KeptRows]
    user: User
    extra: ClassVar[tuple[str, ...]] = ()
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    """When the row was changed last, as far as the person saw."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["seen"].initial = _version(self.instance)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.pop("seen", "") != _version(self.instance):
            raise forms.ValidationError(CHANGED_MEANWHILE)
        return cleaned

    def write(self) -> Model:
        """Save what was changed; raises AiopsError."""
        model = self.rows.table
        rows = model.objects.select_for_update()
        row = model(pk=self.instance.pk) if self.instance._state.adding else rows.get(pk=self.instance.pk)
        if _version(row) != _version(self.instance):
            raise Conflict(CHANGED_MEANWHILE)
        with recording.by(self.user, reason=self.cleaned_data.get("reason", "").strip()):
            saved: Model = self.rows().save_row(row, checked(self.rows, self._given()), self.user)
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


def _version(row: Any) -> str:
    return "" if row._state.adding else str(row.updated_at.isoformat())
