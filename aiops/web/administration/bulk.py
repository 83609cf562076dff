"""Bulk edits: fields of many rows, set or emptied, object by object in one transaction."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import BooleanField, Field, JSONField, Model, QuerySet
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from aiops.changes import recording
from aiops.errors import AiopsError, Invalid
from aiops.people.models import User
from aiops.web.administration.forms import ReasonForm, checked
from aiops.web.api.rows import MOST, KeptRows, Rows

EMPTY = "empty_"
"""Before a field's name: the choice to empty it."""
KEEP = "keep"
TRUTHS = {"yes": True, "no": False}
TOO_MANY = f"At most {MOST} rows at once: choose fewer, or use a CSV file."


class BulkForm(ReasonForm):
    """The fields that many rows can share; what is left alone stays in each of them."""

    def __init__(self, fields: dict[str, tuple[Field[Any, Any], forms.Field]], *args: Any) -> None:
        super().__init__(*args)
        self._columns = {name: column for name, (column, _) in fields.items()}
        reason = self.fields.pop("reason")
        for name, (column, field) in fields.items():
            self.fields[name] = _kept(column, field)
            if _can_be_empty(column):
                self.fields[EMPTY + name] = forms.BooleanField(
                    required=False, label=f"set {field.label} empty", widget=UnfoldBooleanWidget
                )
        self.fields["reason"] = reason

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in self._columns:
            if cleaned.get(EMPTY + name) and self._is_given(name):
                self.add_error(name, "Give it a value or empty it, not both.")
        if not self.errors and not self.given():
            raise forms.ValidationError("Nothing is to be changed: fill in a field, or set one empty.")
        return cleaned

    def given(self) -> dict[str, Any]:
        """Return the fields to change, with their values."""
        given: dict[str, Any] = {}
        for name, column in self._columns.items():
            if self.cleaned_data.get(EMPTY + name):
                given[name] = column.default() if isinstance(column, JSONField) else None if column.null else ""
            elif self._is_given(name):
                value = self.cleaned_data[name]
                given[name] = TRUTHS[value] if isinstance(column, BooleanField) else value
        return given

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return each bound field with the one that empties it, or None."""
        named = [name for name in self.fields if not name.startswith(EMPTY) and name != "reason"]
        return [(self[name], self[EMPTY + name] if EMPTY + name in self.fields else None) for name in named]

    def _is_given(self, name: str) -> bool:
        return self.cleaned_data.get(name) not in (None, "", [], {}, KEEP)


def apply(rows: type[KeptRows], chosen: QuerySet[Model], form: BulkForm, user: User) -> int:
    """Change every row, or none; return how many. Raises AiopsError, whose message names the row."""
    fields, resource = checked(rows, form.given()), rows()
    count = 0
    with recording.by(user, reason=form.cleaned_data["reason"].strip()), transaction.atomic():
        for row in chosen.select_for_update(of=("self",)):
            try:
                resource.save_row(row, dict(fields), user)
            except Invalid as refused:
                raise Invalid(f"{row}: {_reasons(refused)} Nothing was changed.") from refused
            except AiopsError as refused:
                refused.detail = f"{row}: {refused.detail} Nothing was changed."
                raise
            count += 1
    return count


def remove(rows: type[Rows], chosen: QuerySet[Model], reason: str, user: User) -> int:
    """Delete every row, or none; return how many. Raises AiopsError, whose message names the row."""
    resource = rows()
    count = 0
    with recording.by(user, reason=reason), transaction.atomic():
        for row in chosen.select_for_update(of=("self",)):
            try:
                resource.remove_row(row, user)
            except AiopsError as refused:
                refused.detail = f"{row}: {refused.detail} Nothing was deleted."
                raise
            count += 1
    return count


def _reasons(refused: Invalid) -> str:
    if not refused.errors:
        return refused.detail
    return " ".join(f"{name}: {' '.join(map(str, why))}" for name, why in refused.errors.items())


def _can_be_empty(column: Field[Any, Any]) -> bool:
    return column.null or (column.blank and not isinstance(column, BooleanField))


def _kept(column: Field[Any, Any], field: forms.Field) -> forms.Field:
    """Return the field of the row's form as one that can be left alone."""
    if isinstance(column, BooleanField):
        choices = [(KEEP, "as it is"), *((name, name) for name in TRUTHS)]
        return forms.ChoiceField(choices=choices, label=field.label, widget=UnfoldAdminSelectWidget)
    field.required = False
    field.initial = None
    if isinstance(field, forms.TypedChoiceField):
        there: Any = field.choices
        field.choices = [("", "as it is"), *((value, text) for value, text in there if value)]
    return field
