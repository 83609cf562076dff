"""Secrets through their API: validated, never shown, and only for those who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError

from aiops.secrets import encryption
from aiops.secrets.models import Secret
from aiops.settings import Settings
from tests.integration.secrets.calls import OTHER, Call, calls, grown

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_stored_value_goes_in_and_never_comes_out(call: Call, stored: dict[str, Any]) -> None:
    assert (stored["value"], stored["reference"]) == ("********", "")
    for answer in (call("GET"), call("GET", f"{stored['id']}/"), call("PATCH", f"{stored['id']}/", {"name": "nb"})):
        assert b"canary" not in answer.content
    row = Secret.objects.get()
    assert row.name == "nb"
    assert "canary" not in row.encrypted
    assert encryption.decrypt(row.encrypted, django_settings.SETTINGS) == "canary-of-netbox"


@pytest.mark.parametrize("body", [{"value": "********"}, {"value": "********", "kind": "stored"}, {"name": "other"}])
def test_a_masked_value_that_comes_back_leaves_the_stored_one(
    call: Call, stored: dict[str, Any], body: dict[str, Any]
) -> None:
    before = Secret.objects.get().encrypted
    assert call("PATCH", f"{stored['id']}/", body).status_code == 200
    assert Secret.objects.get().encrypted == before


def test_replacing_a_secret_keeps_its_value_unless_there_is_a_new_one(call: Call, stored: dict[str, Any]) -> None:
    before = Secret.objects.get().encrypted
    assert call("PUT", f"{stored['id']}/", {"name": "netbox", "kind": "stored"}).status_code == 200
    assert Secret.objects.get().encrypted == before
    changed = call("PUT", f"{stored['id']}/", {"name": "netbox", "kind": "env", "reference": "AIOPS_SECRET_X"})
    assert changed.json()["value"] == ""
    assert Secret.objects.get().encrypted == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a", "kind": "env"}, "reference"),
        ({"name": "a", "kind": "env", "reference": "PATH"}, "reference"),
        ({"name": "a", "kind": "env", "reference": "AIOPS_SECRET_KEY"}, "reference"),
        ({"name": "a", "kind": "env", "reference": "AIOPS_SECRET_A", "value": "x"}, "value"),
        ({"name": "a", "kind": "file", "reference": "/etc/shadow"}, "reference"),
        ({"name": "a", "kind": "file", "reference": "../a"}, "reference"),
        ({"name": "a", "kind": "file", "reference": "a/../b"}, "reference"),
        ({"name": "a", "kind": "vault", "reference": "secret/a"}, "reference"),
        ({"name": "a", "kind": "vault", "reference": "secret:../sys#a"}, "reference"),
        ({"name": "a", "kind": "stored"}, "value"),
        ({"name": "a", "kind": "stored", "value": ""}, "value"),
        ({"name": "a", "kind": "stored", "value": "a\nb"}, "value"),
        ({"name": "a", "kind": "stored", "value": "x", "reference": "y"}, "reference"),
        ({"name": "a b", "kind": "stored", "value": "x"}, "name"),
        ({"name": "a", "kind": "keyring"}, "kind"),
        ({"name": "a", "kind": "stored", "value": "x", "more": 1}, "more"),
        ({"kind": "stored", "value": "x"}, "name"),
    ],
)
@pytest.mark.usefixtures("ring")
def test_what_could_never_be_read_is_refused_by_its_field(call: Call, body: dict[str, Any], field: str) -> None:
    answer = call("POST", body=body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field]), answer.content
    assert Secret.objects.count() == 0


def test_two_of_one_name_are_refused(call: Call, stored: dict[str, Any]) -> None:
    answer = call("POST", body={"name": "netbox", "kind": "env", "reference": "AIOPS_SECRET_A"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["name"])


def test_no_idempotency_key_keeps_a_digest_of_a_value(call: Call) -> None:
    body = {"name": "a", "kind": "env", "reference": "AIOPS_SECRET_A"}
    answer = call("POST", body=body, **{"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_not_possible")


def test_without_a_key_nothing_is_stored_and_the_cure_is_named(call: Call, ring: Callable[[str], Settings]) -> None:
    ring("")
    answer = call("POST", body={"name": "a", "kind": "stored", "value": "canary"})
    assert answer.status_code == 400
    assert "AIOPS_ENCRYPTION_KEYS is not set" in answer.json()["errors"]["value"][0]


def test_the_database_itself_refuses_a_row_that_is_neither_stored_nor_referred_to() -> None:
    for fields in (
        {"kind": "stored"},
        {"kind": "env"},
        {"kind": "env", "reference": "AIOPS_SECRET_A", "encrypted": "x"},
    ):
        with pytest.raises(IntegrityError):
            Secret.objects.create(name="a", **fields)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_each_right_is_needed_by_name(method: str, stored: dict[str, Any]) -> None:
    nobody = calls(grown("tom"))
    where = "" if method == "POST" else f"{stored['id']}/"
    assert nobody(method, where, {"name": "a"} if method in ("POST", "PATCH") else None).status_code == 403
    assert nobody("POST", f"{stored['id']}/check/").status_code == 403


@pytest.mark.usefixtures("worker")
def test_a_check_says_whether_a_worker_can_read_it_and_never_what_it_is(
    call: Call, stored: dict[str, Any], ring: Callable[[str], Settings]
) -> None:
    good = call("POST", f"{stored['id']}/check/")
    assert good.json() == {"resolves": True, "problem": ""}
    ring(OTHER)
    bad = call("POST", f"{stored['id']}/check/").json()
    assert bad["resolves"] is False
    assert "'netbox'" in bad["problem"]
