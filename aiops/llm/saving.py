"""Saves and removes providers and models, the same way from every door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.values import model_fields, models_named
from aiops.changes import recording
from aiops.errors import Forbidden, Invalid
from aiops.llm import snapshot
from aiops.llm.models import LLMModel, LLMProvider, ModelFallback
from aiops.rows import check, refuse_in_use
from aiops.secrets.models import USE, Secret
from aiops.system_prompts.models import SystemPrompt

REACHED_BY_PROVIDER = {"handler", "config_schema"}
REACHED_BY_MODEL = {"provider", "model_secret_key", "model_config"}
"""Fields that determine who gets a secret."""
REFERENCES: dict[str, type[Model]] = {
    "provider": LLMProvider,
    "model_secret_key": Secret,
    "advanced_model": LLMModel,
    "system_prompt": SystemPrompt,
}
MAX_FALLBACKS = 10
LATE = "Another change came first: try again."


def put_provider(row: LLMProvider, fields: dict[str, Any], user: Any) -> LLMProvider:
    """Apply fields and save; raises Invalid, or Forbidden if its models' secrets would go elsewhere."""
    moved = [name for name in REACHED_BY_PROVIDER & set(fields) if getattr(row, name) != fields[name]]
    if moved and not row._state.adding:
        named = LLMModel.objects.filter(provider=row, model_secret_key__isnull=False)
        refuse_secret(named.values_list("model_secret_key__name", flat=True).first(), user)
    for name, value in fields.items():
        setattr(row, name, value)
    _save(row)
    for model in LLMModel.objects.filter(provider=row).select_related("provider") if moved else ():
        try:
            check(model, validate_unique=False, validate_constraints=False)
        except Invalid as error:
            reasons = "; ".join(f"{field}: {why[0]}" for field, why in error.errors.items())
            misfit = f"Its model {model.name} does not fit: {reasons}"
            raise Invalid("Correct its models first.", errors={"config_schema": [misfit]}) from error
    return row


def put_model(row: LLMModel, fields: dict[str, Any], user: Any) -> LLMModel:
    """Apply fields (references by id or name) and save; raises Invalid, or Forbidden to use a secret."""
    changed = dict(fields)
    names = changed.pop("fallbacks", None)
    changed |= find_all(REFERENCES, changed)
    if unknown := set(changed.get("groups") or ()) - set(Group.objects.values_list("name", flat=True)):
        raise Invalid("Correct groups.", errors={"groups": [f"There is no group {min(unknown)!r}."]})
    moved = [name for name in REACHED_BY_MODEL & set(changed) if getattr(row, name, None) != changed[name]]
    if not row._state.adding and changed.get("name", row.name) != row.name:
        refuse_in_use(list(_middleware_naming(row.name)), to="renamed")
    before = row.model_secret_key if row.model_secret_key_id else None
    for name, value in changed.items():
        setattr(row, name, value)
    secret = row.model_secret_key if row.model_secret_key_id else before
    if moved and secret is not None:
        refuse_secret(secret.name, user)
    if row.is_default:
        _unset_default(row)
    _save(row)
    if names is not None:
        _put_fallbacks(row, names)
    return row


def make_default(row: LLMModel) -> LLMModel:
    """Make a model the default instead of the one that is; raises Invalid."""
    row.is_default = True
    _unset_default(row)
    _save(row)
    return row


def remove(row: LLMProvider | LLMModel) -> None:
    """Delete a row; raises Conflict, naming what uses it."""
    refuse_in_use(list(_users(row)), to="deleted")
    row.delete()


def find_all(references: Mapping[str, type[Any]], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows that fields refer to; raises Invalid, which names all that are not there."""
    rows: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name in references.keys() & fields.keys():
        try:
            rows[name] = find(references[name], fields[name], field=name)
        except Invalid as missing:
            errors |= missing.errors
    if errors:
        raise Invalid(f"Correct {', '.join(errors)}.", errors=errors)
    return rows


def find(model: type[Any], named: Any, *, field: str) -> Any:
    """Return the row of an id or a name, None for None; raises Invalid."""
    if named is None or isinstance(named, model):
        return named
    found = model.objects.filter(name=named).first() or _by_id(model, named)
    if found is None:
        raise Invalid(f"Correct {field}.", errors={field: [f"There is no {str(named)[:100]!r}."]})
    return found


def refuse_secret(name: str | None, user: Any) -> None:
    """Raise Forbidden if a change decides who gets a secret, and the user may not."""
    if name is not None and not user.has_perm(USE):
        raise Forbidden(
            f"It gets the secret {name!r}: that needs the permission {USE}, which an administrator can give you.",
            code="secret_not_allowed",
        )


def users_of_secret(name: str) -> list[str]:
    """Return the models that refer to a secret."""
    return [f"the model {one}" for one in LLMModel.objects.filter(model_secret_key__name=name)]


def users_of_prompt(prompt: SystemPrompt) -> list[str]:
    """Return the models that use a system prompt."""
    return [f"the model {one}" for one in LLMModel.objects.filter(system_prompt=prompt)]


def _users(row: LLMProvider | LLMModel) -> Iterable[str]:
    if isinstance(row, LLMProvider):
        yield from (f"the model {one.name}" for one in row.llm_models.all())
        return
    if row.is_default:
        yield "all messages that name no model (it is the default)"
    yield from (f"the model {one.name} (as its advanced one)" for one in row.advanced_of.all())
    named = row.fallback_of.values_list("llm_model__name", flat=True)
    yield from (f"the model {one} (as a fallback)" for one in named)
    yield from _middleware_naming(row.name, but_of=row)


def _middleware_naming(name: str, *, but_of: LLMModel | None = None) -> Iterable[str]:
    """Yield the middleware whose config names a model, but for that of a model that is deleted with it."""
    kinds = {kind.pk: fields for kind in MiddlewareType.objects.all() if (fields := model_fields(kind.config_schema))}
    uses = LLMMiddleware.objects.filter(middleware__in=kinds).exclude(llm_model=but_of)
    for use in uses.select_related("middleware", "llm_model"):
        whole = {**use.middleware.default_config, **use.config}
        if name in (named for _, named in models_named(whole, kinds[use.middleware_id])):
            yield f"the {use}"


def _by_id(model: type[Any], named: Any) -> Any:
    try:
        return model.objects.filter(pk=named).first()
    except ValidationError:  # no id
        return None


def _save(row: Any) -> None:
    check(row, validate_constraints=False)  # the rules say the same, by field
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Invalid("It does not fit the others.", errors={"name": [LATE]}) from error
    row.refresh_from_db()
    transaction.on_commit(snapshot.forget)


def _unset_default(row: LLMModel) -> None:
    """Object by object, so that each change is seen by those who watch the rows."""
    for other in LLMModel.objects.filter(is_default=True).exclude(pk=row.pk):
        other.is_default = False
        other.save()


def _put_fallbacks(row: LLMModel, names: list[Any]) -> None:
    found = [find(LLMModel, name, field="fallbacks") for name in names]
    if len(found) > MAX_FALLBACKS or len({one.pk for one in found}) < len(found) or row.pk in {one.pk for one in found}:
        raise Invalid("Correct fallbacks.", errors={"fallbacks": [f"At most {MAX_FALLBACKS} other models, each once."]})
    if [one.fallback_id for one in row.fallback_rows.all()] == [one.pk for one in found]:
        return
    before = [one.fallback.name for one in row.fallback_rows.select_related("fallback")]
    for old in row.fallback_rows.all():
        old.delete()
    for position, one in enumerate(found):
        ModelFallback(llm_model=row, fallback=one, position=position).save()
    recording.note(row, fallbacks=(", ".join(before), ", ".join(one.name for one in found)))
