"""What all lists of configuration rows can do: the change log, many rows at once, filters, rights, trials."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings

from aiops.llm.models import LLMModel
from aiops.secrets.models import Secret
from tests.integration.llm.rows import MODELS, PROVIDERS, editor, model, provider
from tests.integration.secrets.calls import Call, calls, grown

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call() -> Call:
    return editor("eve", "use_secret", "view_secret")


@pytest.fixture
def key(db: None) -> Secret:
    return Secret.objects.create(name="openai", kind="env", reference="AIOPS_SECRET_OPENAI")


def test_each_change_is_in_the_log_with_who_and_why(call: Call, key: Secret) -> None:
    made = call("POST", body={"name": "m", "provider": str(provider().pk)}).json()
    call("PATCH", f"{made['id']}/", {"temperature": 0.5}, **{"Change-Reason": "too%20wild"})
    model("n")
    call("PATCH", f"{made['id']}/", {"fallbacks": ["n"]})
    entries = call("GET", f"{made['id']}/history/").json()["results"]
    assert [entry["actor"] for entry in entries] == ["eve", "eve", "eve"]
    assert [entry["action"] for entry in entries] == ["update", "update", "create"]
    assert entries[1]["changes"] == {"temperature": ["None", "0.5"]}
    assert [entry["reason"] for entry in entries] == ["", "too wild", ""]
    assert entries[0]["changes"] == {"fallbacks": ["", "n"]}
    assert call("GET", f"{PROVIDERS}{made['id']}/history/").status_code == 404


def test_where_a_reason_is_required_no_change_is_made_without_one(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model()
    strict = django_settings.SETTINGS.model_copy(update={"require_change_reason": True})
    monkeypatch.setattr(django_settings, "SETTINGS", strict)
    for method, path, body in (
        ("POST", "", {"name": "n", "provider": "local"}),
        ("PATCH", f"{made.pk}/", {"temperature": 1}),
        ("PUT", f"{made.pk}/", {"name": "n", "provider": "local"}),
        ("DELETE", f"{made.pk}/", None),
        ("POST", f"{made.pk}/make-default/", None),
        ("PATCH", "", [{"id": str(made.pk), "temperature": 1}]),
        ("DELETE", "", [{"id": str(made.pk)}]),
    ):
        answer = call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "reason_required"), (method, path)
    assert call("PATCH", f"{made.pk}/", {"temperature": 1}, **{"Change-Reason": "because"}).status_code == 200


def test_many_rows_are_saved_all_or_none(call: Call) -> None:
    provider()
    rows = [{"name": f"m{n}", "provider": "local"} for n in range(5)]
    made = call("POST", body=rows)
    assert (made.status_code, [row["name"] for row in made.json()]) == (201, ["m0", "m1", "m2", "m3", "m4"])
    ids = [row["id"] for row in made.json()]
    wrong = call("PATCH", body=[{"id": ids[0], "temperature": 1}, {"id": ids[1], "cache_ttl": 1}])
    assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["1.cache_ttl"])
    assert not LLMModel.objects.filter(temperature=1).exists()
    changed = call("PATCH", body=[{"id": one, "temperature": 1} for one in ids])
    assert [row["temperature"] for row in changed.json()] == [1.0] * 5
    assert call("DELETE", body=[{"id": one} for one in ids[1:]]).status_code == 204
    assert LLMModel.objects.count() == 1
    assert call("POST", body=[{"name": f"n{n}", "provider": "local"} for n in range(1001)]).status_code == 400
    assert call("DELETE", body=[]).status_code == 400
    assert call("DELETE", body={"id": ids[0]}).status_code == 400
    assert call("PATCH", f"{ids[0]}/", [{"temperature": 1}]).status_code == 400


def test_the_same_key_creates_once(call: Call) -> None:
    provider()
    body, headers = {"name": "m", "provider": "local"}, {"Idempotency-Key": "k"}
    first, second = call("POST", body=body, **headers), call("POST", body=body, **headers)
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert LLMModel.objects.count() == 1


def test_replacing_a_model_empties_what_is_not_said(call: Call) -> None:
    made = model(temperature=1, description="d", limits={"concurrency": 2})
    seen = call("PUT", f"{made.pk}/", {"name": "m", "provider": "local"}).json()
    assert (seen["temperature"], seen["description"], seen["limits"]) == (None, "", {})


def test_rows_are_filtered_sorted_and_paged(call: Call) -> None:
    cloud = provider("cloud", "openai")
    for name in ("c", "a", "b"):
        model(name, cloud, tags=["prod"] if name == "a" else [])
    model("d", provider("local"))

    def names(query: str) -> list[str]:
        return [row["name"] for row in call("GET", query).json()["results"]]

    assert names("") == ["a", "b", "c", "d"]
    assert names("?provider=cloud&ordering=-name") == ["c", "b", "a"]
    assert names("?tag=prod") == ["a"]
    assert names("?handler=ollama") == ["d"]
    assert names("?search=B") == ["b"]
    first = call("GET", "?limit=2").json()
    assert first["next"]
    assert [row["name"] for row in call("GET", first["next"].partition("/api/llm-models/")[2]).json()["results"]] == [
        "c",
        "d",
    ]
    assert names("?is_default=false&limit=1") == ["a"]
    assert names("?is_default=true") == []
    for wrong in ("nonsense=1", "is_default=1", "is_default=", "ordering=price_in", "tag="):
        assert call("GET", f"?{wrong}").status_code == (200 if wrong == "tag=" else 400), wrong


def test_a_list_asks_the_database_as_often_for_many_rows_as_for_few(
    call: Call, django_assert_max_num_queries: Any
) -> None:
    cloud = provider("cloud", "openai")
    LLMModel.objects.bulk_create(LLMModel(name=f"m{n}", provider=cloud) for n in range(150))
    with django_assert_max_num_queries(10):
        assert len(call("GET", "?limit=150").json()["results"]) == 150


@pytest.mark.parametrize("path", [PROVIDERS, MODELS])
def test_who_lacks_the_permission_sees_and_changes_nothing(path: str) -> None:
    model()
    nobody, reader = calls(grown("nob")), calls(grown("rea", "view_llmprovider", "view_llmmodel"))
    assert nobody("GET", path).status_code == 403
    assert reader("GET", path).status_code == 200
    pk = reader("GET", path).json()["results"][0]["id"]
    assert reader("GET", f"{path}{pk}/history/").status_code == 200
    for method, where, body in (
        ("POST", path, {"name": "n"}),
        ("PATCH", f"{path}{pk}/", {}),
        ("PATCH", path, [{"id": pk}]),
        ("DELETE", f"{path}{pk}/", None),
        ("DELETE", path, [{"id": pk}]),
    ):
        assert reader(method, where, body).status_code == 403, (method, where)


def test_a_model_is_tried_by_a_run_that_names_it(call: Call, sent: list[str]) -> None:
    cloud = provider("azure", "azure_ai", config_schema={"azure_endpoint": "https://r.example", "api_version": "v1"})
    key = Secret.objects.create(name="k", kind="env", reference="AIOPS_SECRET_K")
    made = model("gpt-4o", cloud, model_secret_key=key)
    answer = call("POST", f"{made.pk}/try/", {"message": "Say hello."})
    assert answer.status_code == 202, answer.content
    assert answer.json()["target"] == {
        "url": "https://r.example/openai/deployments/gpt-4o/chat/completions?api-version=v1",
        "deployment": "gpt-4o",
        "api_version": "v1",
    }
    run = call("GET", answer.json()["links"]["self"]).json()
    assert run["state"] == "queued"
    call("PATCH", f"{PROVIDERS}{cloud.pk}/", {"is_enabled": False})
    refused = call("POST", f"{made.pk}/try/", {"message": "Say hello."})
    assert (refused.status_code, refused.json()["code"]) == (409, "model_not_enabled")
