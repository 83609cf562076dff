"""Providers and models through their API: validated, logged, and only for those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from aiops.llm.models import LLMModel, LLMProvider
from aiops.secrets.models import Secret
from tests.integration.llm.rows import PROVIDERS, editor, model, provider
from tests.integration.secrets.calls import Call, calls, grown

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call() -> Call:
    return editor("eve", "use_secret", "view_secret")


@pytest.fixture
def key(db: None) -> Secret:
    return Secret.objects.create(name="openai", kind="env", reference="AIOPS_SECRET_OPENAI")


def test_a_provider_and_a_model_are_added_by_name(call: Call, key: Secret) -> None:
    made = call("POST", PROVIDERS, {"name": "cloud", "handler": "openai", "tags": ["b", "a"]})
    assert made.status_code == 201, made.content
    assert made.json()["tags"] == ["a", "b"]
    answer = call(
        "POST",
        body={
            "name": "gpt-4o",
            "provider": "cloud",
            "model_secret_key": "openai",
            "price_in": "2.5",
            "price_out": "10",
            "is_default": True,
        },
    )
    assert answer.status_code == 201, answer.content
    seen = answer.json()
    assert (seen["provider"], seen["model_secret_key"], seen["price_in"]) == ("cloud", "openai", "2.500000")
    by_id = call("POST", body={"name": "other", "provider": made.json()["id"], "advanced_model": seen["id"]})
    assert by_id.json()["advanced_model"] == "gpt-4o"


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({"handler": "nobody"}, "handler", "There are: "),
        ({"config_schema": {"base_url": "ftp://x"}}, "config_schema", "base_url"),
        ({"config_schema": {"basic_url": "https://x"}}, "config_schema", "basic_url"),
        ({"config_schema": {"base_url": "http://10.1.2.3/v1"}}, "config_schema", "AIOPS_LLM_NETWORKS"),
        ({"config_schema": {"base_url": "http://169.254.169.254/"}}, "config_schema", "AIOPS_LLM_NETWORKS"),
        ({"config_schema": {"base_url": "https://a:b@x/"}}, "config_schema", "neither a user"),
        ({"config_schema": {"api_key": "sk-x"}}, "config_schema", "looks like a secret"),
        ({"config_schema": []}, "config_schema", "Not an object"),
        ({"handler": "azure_ai"}, "config_schema", "azure_endpoint"),
        (
            {"handler": "azure_ai", "config_schema": {"azure_endpoint": "https://r.example/openai/assistants"}},
            "config_schema",
            "remove the rest",
        ),
        ({"name": "a b"}, "name", "Letters"),
        ({"name": "taken"}, "name", "already exists"),
        ({"documentation_url": "javascript:x"}, "documentation_url", "https"),
        ({"tags": ["a,b"]}, "tags", "no comma"),
        ({"more": 1}, "more", "no such field"),
    ],
)
def test_a_provider_that_could_not_be_used_is_refused_by_field(
    call: Call, body: dict[str, Any], field: str, why: str
) -> None:
    provider("taken")
    answer = call("POST", PROVIDERS, {"name": "p", "handler": "openai", **body})
    assert answer.status_code == 400
    assert why in str(answer.json()["errors"][field])


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({"provider": "nobody"}, "provider", "There is no 'nobody'"),
        ({"model_secret_key": "nobody"}, "model_secret_key", "There is no 'nobody'"),
        ({"name": "taken"}, "name", "already exists"),
        ({"cache_ttl": 59}, "cache_ttl", "60"),
        ({"temperature": 2.1}, "temperature", "2"),
        ({"price_in": "-1"}, "price_in", "0"),
        ({"model_config": {"num_ctx": 8}}, "model_config", "num_ctx"),
        ({"model_config": {"tools": [{"type": "web_search"}]}}, "model_config", "not under approval"),
        ({"model_config": {"extra_body": {"tools": []}}}, "model_config", "not under approval"),
        ({"model_config": {"extra_body": {"web_search_options": {}}}}, "model_config", "web_search_options"),
        ({"name": "gpt-5", "temperature": 0.5}, "temperature", "refuses or ignores"),
        ({"name": "x", "model_config": {"model": "o3", "top_p": 0.5}}, "model_config", "top_p"),
        ({"capabilities": {"temperature": False}, "temperature": 1}, "temperature", "capabilities say"),
        ({"capabilities": {"fly": True}}, "capabilities", "fly"),
        ({"capabilities": {"tools": "yes"}}, "capabilities", "true or false"),
        ({"limits": {"concurrency": -1}}, "limits", "concurrency"),
        ({"limits": {"calls": 1}}, "limits", "calls"),
        ({"advanced_patterns": ["("]}, "advanced_patterns", "("),
        ({"advanced_patterns": ["x"]}, "advanced_model", "Name the model"),
        ({"fallbacks": ["taken", "taken"]}, "fallbacks", "each once"),
        ({"is_default": True, "is_enabled": False}, "is_default", "not enabled"),
        ({"more": 1}, "more", "no such field"),
    ],
)
def test_a_model_that_could_not_be_used_is_refused_by_field(
    call: Call, body: dict[str, Any], field: str, why: str
) -> None:
    model("taken", provider("cloud", "openai"))
    answer = call("POST", body={"name": "m", "provider": "cloud", **body})
    assert answer.status_code == 400
    assert why in str(answer.json()["errors"][field]), answer.json()


def test_a_provider_that_needs_a_key_takes_no_model_without_a_secret(call: Call) -> None:
    provider("claude", "anthropic")
    answer = call("POST", body={"name": "opus", "provider": "claude"})
    assert "name the secret" in str(answer.json()["errors"]["model_secret_key"])


def test_one_call_at_a_time_is_refused_where_the_client_cannot_be_asked_for_it(call: Call) -> None:
    provider("local")
    answer = call("POST", body={"name": "m", "provider": "local", "capabilities": {"parallel_tools": False}})
    assert "parallel_tools" in str(answer.json()["errors"]["capabilities"])


@pytest.mark.parametrize("kind", ["anthropic", "huggingface", "ollama"])
def test_no_stream_is_refused_where_the_client_always_streams(kind: str, call: Call) -> None:
    provider("local", kind)
    answer = call("POST", body={"name": "m", "provider": "local", "capabilities": {"streaming": False}})
    assert "streaming: this provider's client cannot do that" in str(answer.json()["errors"]["capabilities"])


def test_a_model_of_openai_can_be_said_not_to_stream(call: Call) -> None:
    provider("cloud", "openai")
    body = {"name": "m", "provider": "cloud", "capabilities": {"streaming": False}}
    assert call("POST", body=body).status_code == 201


def test_another_default_takes_the_place_of_the_one_that_is(call: Call) -> None:
    first, second = model("a", is_default=True), model("b")
    assert call("POST", f"{second.pk}/make-default/").json()["is_default"] is True
    assert list(LLMModel.objects.filter(is_default=True)) == [second]
    assert call("PATCH", f"{first.pk}/", {"is_default": True}).status_code == 200
    assert list(LLMModel.objects.filter(is_default=True)) == [first]
    with pytest.raises(IntegrityError), transaction.atomic():
        LLMModel.objects.filter(pk=second.pk).update(is_default=True)


@pytest.mark.parametrize(
    "wrong", [{"cache_ttl": 1}, {"temperature": 3}, {"price_in": -1}, {"is_default": True, "is_enabled": False}]
)
def test_the_database_refuses_what_the_doors_refuse(wrong: dict[str, Any]) -> None:
    made = model()
    with pytest.raises(IntegrityError), transaction.atomic():
        LLMModel.objects.filter(pk=made.pk).update(**wrong)


def test_what_is_in_use_is_not_deleted_and_its_users_are_named(call: Call) -> None:
    base = model("base", is_default=True)
    call("POST", body={"name": "other", "provider": "local", "advanced_model": "base", "fallbacks": ["base"]})
    used = call("DELETE", f"{PROVIDERS}{base.provider.pk}/")
    assert (used.status_code, used.json()["code"]) == (409, "in_use")
    assert "the model base, the model other" in used.json()["detail"]
    detail = call("DELETE", f"{base.pk}/").json()["detail"]
    assert "it is the default" in detail
    assert "the model other (as its advanced one), the model other (as a fallback)" in detail
    assert (
        call("PATCH", f"{LLMModel.objects.get(name='other').pk}/", {"fallbacks": [], "advanced_model": None}).json()[
            "fallbacks"
        ]
        == []
    )
    assert call("PATCH", f"{base.pk}/", {"is_default": False}).status_code == 200
    assert call("DELETE", f"{base.pk}/").status_code == 204


def test_a_secret_that_a_model_uses_is_not_deleted(key: Secret) -> None:
    model("m", provider("cloud", "openai"), model_secret_key=key)
    secrets = calls(grown("sue", "view_secret", "delete_secret"))
    answer = secrets("DELETE", f"{key.pk}/")
    assert (answer.status_code, "the model m" in answer.json()["detail"]) == (409, True)


def test_who_may_not_use_secrets_cannot_send_one_elsewhere(call: Call, key: Secret) -> None:
    made = model("m", provider("cloud", "openai"), model_secret_key=key)
    provider("evil", "openai", config_schema={"base_url": "https://evil.example"})
    without = editor("ned")
    for method, path, body in (
        ("POST", "", {"name": "n", "provider": "evil", "model_secret_key": "openai"}),
        ("PATCH", f"{made.pk}/", {"provider": "evil"}),
        ("PATCH", f"{made.pk}/", {"model_config": {"extra_body": {"a": 1}}}),
        ("PATCH", f"{PROVIDERS}{made.provider.pk}/", {"config_schema": {"base_url": "https://evil.example"}}),
    ):
        answer = without(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "secret_not_allowed"), path
    assert without("PATCH", f"{made.pk}/", {"description": "mine"}).status_code == 200
    assert call("PATCH", f"{made.pk}/", {"provider": "evil"}).status_code == 200


def test_settings_that_its_models_do_not_fit_are_refused(call: Call) -> None:
    made = model("m", provider("cloud", "openai"), model_config={"top_p": 0.5})
    answer = call("PATCH", f"{PROVIDERS}{made.provider.pk}/", {"handler": "ollama"})
    assert answer.status_code == 200
    call("PATCH", f"{made.pk}/", {"model_config": {"num_ctx": 8192}})
    answer = call("PATCH", f"{PROVIDERS}{made.provider.pk}/", {"handler": "openai"})
    assert "num_ctx" in str(answer.json()["errors"]["config_schema"])
    assert LLMProvider.objects.get().handler == "ollama"
