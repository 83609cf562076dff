"""Saves and removes rows of chains, and keeps the rows of the built-in types."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.rules import BUILT_IN_STAYS
from aiops.chains.types import BUILT_IN
from aiops.changes import recording
from aiops.errors import Conflict, Invalid
from aiops.llm import saving, snapshot
from aiops.llm.models import LLMModel
from aiops.rows import check, refuse_in_use

REFERENCES: dict[str, type[Any]] = {"llm_model": LLMModel, "middleware": MiddlewareType}


def put_type(row: MiddlewareType, fields: dict[str, Any]) -> MiddlewareType:
    """Apply fields and save a package's type; raises Invalid, or Conflict for a built-in one."""
    if not row.is_custom:
        raise Conflict(BUILT_IN_STAYS, code="built_in")
    _apply(row, fields)
    for use in () if row._state.adding else LLMMiddleware.objects.filter(middleware=row).select_related("llm_model"):
        use.middleware = row
        try:
            check(use, validate_unique=False, validate_constraints=False)
        except Invalid as error:
            raise Invalid(
                "Correct its uses first.", errors={"config_schema": [f"The config of {use.llm_model} does not fit."]}
            ) from error
    _save(row)
    return row


def put(row: LLMMiddleware, fields: dict[str, Any]) -> LLMMiddleware:
    """Apply fields (references by id or name) and save; raises Invalid."""
    changed = dict(fields)
    changed |= saving.find_all(REFERENCES, changed)
    _apply(row, changed)
    _save(row)
    return row


def remove_type(row: MiddlewareType) -> None:
    """Delete a package's type; raises Conflict for a built-in one, or naming the models that use it."""
    if not row.is_custom:
        raise Conflict(BUILT_IN_STAYS, code="built_in")
    refuse_in_use([f"the model {use.llm_model}" for use in row.uses.select_related("llm_model")], to="deleted")
    row.delete()


def sync_built_in(**_: Any) -> None:
    """Make the rows of the built-in types what the program says; called after each migration."""
    for name, one in BUILT_IN.items():
        row = MiddlewareType.objects.filter(name=name).first() or MiddlewareType(name=name)
        wanted = {
            "path": one.path,
            "is_custom": False,
            "description": one.description,
            "config_schema": one.schema,
            "default_config": dict(one.default),
        }
        if row._state.adding or any(getattr(row, field) != value for field, value in wanted.items()):
            _apply(row, wanted)
            with recording.unrecorded():
                row.save()


def _apply(row: Any, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(row, name, value)


def _save(row: Any) -> None:
    check(row, validate_constraints=False)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Invalid("It does not fit the others.", errors={"name": [saving.LATE]}) from error
    row.refresh_from_db()
    transaction.on_commit(snapshot.forget)
