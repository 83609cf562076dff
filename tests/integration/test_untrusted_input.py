"""Text and JSON that no database and no answer can hold: every call and every page refuses it, and none breaks."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings

from aiops.llm.models import LLMModel, LLMProvider
from aiops.people import tokens
from aiops.people.idempotency import MAX_KEY_CHARACTERS
from aiops.people.models import User
from aiops.secrets.models import Secret
from aiops.tool_servers.models import MCPServer
from tests.integration import hostile_input
from tests.integration.hostile_input import Call
from tests.integration.secrets.calls import KEY
from tests.integration.secrets.settings import settings as settings_with

PROBLEM = "application/problem+json"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
CALLS = list(hostile_input.calls())
plenty = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password="correct-horse-battery")


@pytest.fixture(autouse=True)
def named(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examples of the document refer to."""
    secret = Secret.objects.create(name="openai", kind="env", reference="AIOPS_SECRET_OPENAI")
    provider = LLMProvider.objects.create(name=secret.name, handler="openai")
    LLMModel.objects.create(name="qwen3", provider=provider)
    MCPServer.objects.create(name="gitlab", url="https://gitlab.example.org", credential="user")
    monkeypatch.setattr(django_settings, "SETTINGS", settings_with(encryption_keys=KEY))
    monkeypatch.setattr("aiops.chains.rules.of_packages", lambda: {"my_package.middleware:MineMiddleware": "mine"})


@pytest.fixture
def client(boss: User) -> Client:
    headers = {"host": "localhost", "authorization": f"Bearer {tokens.issue(boss, name='test')[1]}"}
    return Client(headers=headers)


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiops.web.throttle.take", lambda key, most: True)


@pytest.fixture(autouse=True)
def trials_without_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a worker; what is asked of it is stored all the same."""
    monkeypatch.setattr("aiops.trials.asking._answer", lambda trial: {"answer": {}})


def send(client: Client, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
    """Send a request and undo what it did."""
    kind = headers.pop("Content-Type", JSON)
    with transaction.atomic():
        answer = client.generic(method, path, body, kind, headers=headers)
        transaction.set_rollback(True)
    return answer


def existing(client: Client, call: Call) -> str:
    """Return a call's path with the id of a thing that was just made, where things of its kind can be made."""
    collection = call.path.partition("{")[0]
    made = [one for one in CALLS if str(one) == f"POST {collection}"]
    if collection == call.path or not made:
        return call.path
    answer = client.post(collection, made[0].examples[0], JSON)
    assert answer.status_code in (201, 202), answer.content
    return call.path.replace("{id}", answer.json()["id"])


def assert_no_surprise(answer: Any) -> None:
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer["Content-Type"] == PROBLEM


@pytest.mark.parametrize("call", [call for call in CALLS if call.body is not None], ids=str)
def test_a_hostile_value_in_any_field_is_taken_or_refused_with_a_problem(client: Client, call: Call) -> None:
    path = existing(client, call)

    @settings(plenty, max_examples=150)
    @given(hostile_input.bodies(call))
    def holds(body: bytes) -> None:
        assert_no_surprise(send(client, call.method.upper(), path, {}, body))

    holds()


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_hostile_head_or_body_is_refused_with_a_problem(client: Client, call: Call) -> None:
    @plenty
    @given(hostile_input.heads(call))
    def holds(request: tuple[str, dict[str, str], bytes]) -> None:
        path, headers, body = request
        assert_no_surprise(send(client, call.method.upper(), path, headers, body))

    holds()


ITEM = '{"name": "a", "every_s": 3600, "batch": {"items": [{"prompt": "x", "to": %s}]}}'
SCHEMA = '{"items": [{"prompt": "x"}], "response_schema": {"const": %s}}'
FIELDS = [
    ("/api/schedules/", ITEM, "1e999", "batch.items.0.to"),
    ("/api/schedules/", ITEM, '"\\u0000"', "batch.items.0.to"),
    ("/api/schedules/", ITEM, '{"\\ud800": 1}', "batch.items.0.to.\ufffd"),
    ("/api/batches/", SCHEMA, "1e999", "response_schema.const"),
    ("/api/batches/", SCHEMA, "[-1e999]", "response_schema.const.0"),
    ("/api/batches/", SCHEMA, "NaN", "response_schema.const"),
    ("/api/batches/", SCHEMA, '"\\u0000"', "response_schema.const"),
    ("/api/batches/", SCHEMA, '"\\udc00"', "response_schema.const"),
    ("/api/chat/", '{"message": %s}', '"a\\u0000b"', "message"),
    ("/api/tokens/", '{"name": "x", "scope": %s}', '"\\ud83d"', "scope"),
]


@pytest.mark.parametrize(("path", "body", "value", "field"), FIELDS)
def test_the_field_that_cannot_be_stored_is_named(client: Client, path: str, body: str, value: str, field: str) -> None:
    answer = client.post(path, body % value, JSON)
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    assert set(answer.json()["errors"]) == {field}


def test_brackets_inside_a_text_are_no_nesting(client: Client) -> None:
    with transaction.atomic():
        answer = client.post("/api/chat/", {"message": "\x1b[31m{[" * 30}, JSON)
        transaction.set_rollback(True)
    assert answer.status_code == 202


@pytest.mark.parametrize("key", ["a\tb", "\x7f", "x" * 201])
def test_an_idempotency_key_that_cannot_be_kept_is_refused_by_name(client: Client, key: str) -> None:
    answer = client.post("/api/conversations/", {}, JSON, headers={"Idempotency-Key": key})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"Idempotency-Key"})


def test_the_schema_tells_which_idempotency_keys_can_be_kept(client: Client) -> None:
    operation = client.get("/api/schema/?format=json").json()["paths"]["/api/conversations/"]["post"]
    schema = next(p["schema"] for p in operation["parameters"] if p["name"] == "Idempotency-Key")
    assert schema["maxLength"] == MAX_KEY_CHARACTERS
    for character in map(chr, range(256)):
        assert bool(re.search(schema["pattern"], f"a{character}b")) == character.isprintable()


@pytest.mark.parametrize(
    ("query", "name"),
    [("state=%00", "state"), ("search=%ff", "search"), ("%ed%a0%80=1", "query"), ("limit=a%00", "limit")],
)
def test_a_parameter_that_is_no_text_is_refused_by_name(client: Client, query: str, name: str) -> None:
    answer = client.get(f"/api/runs/?{query}")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {name})


def test_more_parameters_than_are_read_are_a_problem_of_the_caller(client: Client) -> None:
    answer = client.get("/api/runs/?" + "state=queued&" * 2_000)
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)


PAGES = [path for path in hostile_input.paths() if not path.startswith("/api/")]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_shown_or_refused_whatever_its_address_or_form_says(
    client: Client, boss: User, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    client.force_login(boss)

    @settings(plenty, max_examples=12)
    @given(hostile_input.visits(path))
    def holds(visit: tuple[str, str, dict[str, str]]) -> None:
        method, address, form = visit
        with transaction.atomic():
            answer = client.generic(method, address, urlencode(form), FORM)
            transaction.set_rollback(True)
        assert answer.status_code < 500

    holds()


def test_a_name_with_nul_is_wrong_at_the_sign_in(client: Client) -> None:
    answer = client.post("/sign-in/", {"username": "a\0b", "password": "x\0"}, headers={"authorization": ""})
    assert answer.status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_form_in_another_character_set_is_refused(client: Client) -> None:
    answer = client.generic("POST", "/sign-in/", b"username=x", f"{FORM}; charset=base64")
    assert answer.status_code == 400
