"""Where secrets are read from, and that what cannot be read says why without saying what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from aiops.events.redaction import MASK, Redactor
from aiops.secrets import encryption, vault
from aiops.secrets.resolving import Unresolved, resolve
from aiops.secrets.values import SecretSpec
from tests.integration.secrets.settings import settings as settings_with
from tests.integration.secrets.vault_server import VaultServer

KEY, OTHER = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def settings(**changes: Any) -> Any:
    return settings_with(**{"encryption_keys": KEY, **changes})


def problem(secret: SecretSpec, **changes: Any) -> str:
    with pytest.raises(Unresolved) as raised:
        resolve(secret, settings(**changes), {})
    assert str(raised.value).startswith(f"The secret '{secret.name}' ")
    return str(raised.value)


@pytest.fixture
def server() -> Iterator[VaultServer]:
    vault._clients.clear()
    made = VaultServer()
    yield made
    made.stop()


def test_a_variable_is_read_without_the_space_around_it() -> None:
    spec = SecretSpec("a", "env", "AIOPS_SECRET_A")
    assert resolve(spec, settings(), {"AIOPS_SECRET_A": " canary-of-a\n"}) == "canary-of-a"
    assert "AIOPS_SECRET_A is not set for the workers" in problem(spec)


@pytest.mark.parametrize("name", ["AIOPS_SECRET_KEY", "DATABASE_URL"])
def test_no_other_variable_is_read_even_if_a_row_names_it(name: str) -> None:
    with pytest.raises(Unresolved, match="may not be read"):
        resolve(SecretSpec("a", "env", name), settings(), {name: "x"})


def test_a_file_below_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "token").write_text("canary-of-a-file\n")
    spec = SecretSpec("a", "file", "net/token")
    assert resolve(spec, settings(secrets_dir=str(tmp_path))) == "canary-of-a-file"
    assert "AIOPS_SECRETS_DIR is not set" in problem(spec)
    assert "No such file" in problem(SecretSpec("a", "file", "net/none"), secrets_dir=str(tmp_path))


def test_no_link_leads_out_of_the_folder_and_nothing_hangs(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (tmp_path / "outside").write_text("canary")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "large").write_text("x" * 20_000)
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    for name, reason in (
        ("link", "leads out"),
        ("../outside", "leads out"),
        ("large", "more than"),
        ("binary", "not UTF-8"),
        ("folder", "no file"),
        ("pipe", "no file"),
    ):
        assert reason in problem(SecretSpec("a", "file", name), secrets_dir=str(folder)), name


@pytest.mark.parametrize("value", ["canary\nof-a-line", "canary\x00", "canary\x7f"])
def test_control_characters_are_refused_without_the_value(value: str) -> None:
    with pytest.raises(Unresolved, match="control characters") as raised:
        resolve(SecretSpec("a", "env", "AIOPS_SECRET_A"), settings(), {"AIOPS_SECRET_A": value})
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_empty_value_is_refused() -> None:
    with pytest.raises(Unresolved, match="is empty"):
        resolve(SecretSpec("a", "env", "AIOPS_SECRET_A"), settings(), {"AIOPS_SECRET_A": " \n"})


def test_a_stored_value_is_read_with_any_key_of_the_ring_and_a_lost_key_is_named() -> None:
    stored = SecretSpec("netbox", "stored", encrypted=encryption.encrypt("canary-stored", settings()))
    assert "canary" not in stored.encrypted
    assert "canary" not in repr(stored)
    assert resolve(stored, settings()) == "canary-stored"
    assert resolve(stored, settings(encryption_keys=f"{OTHER},{KEY}")) == "canary-stored"
    assert "add that key" in problem(stored, encryption_keys=OTHER)
    assert "AIOPS_ENCRYPTION_KEYS is not set" in problem(stored, encryption_keys="")


def test_what_was_resolved_is_masked_in_all_texts_from_then_on() -> None:
    before = Redactor()
    assert before.redact("it is canary-learned-0815") == "it is canary-learned-0815"
    resolve(SecretSpec("a", "env", "AIOPS_SECRET_A"), settings(), {"AIOPS_SECRET_A": "canary-learned-0815"})
    assert before.redact("it is canary-learned-0815") == f"it is {MASK}"
    assert before.split("it is canary-learned-08") == ("it is ", "canary-learned-08")


def test_vault_is_read_by_mount_path_and_field(server: VaultServer) -> None:
    server.secrets["team/kv", "net/box"] = {"token": "canary-vault", "port": 5}
    server.valid = "given"
    known = {"vault_addr": server.url, "vault_token": "given"}
    assert resolve(SecretSpec("a", "vault", "team/kv:net/box#token"), settings(**known)) == "canary-vault"
    assert "has no text port" in problem(SecretSpec("a", "vault", "team/kv:net/box#port"), **known)
    assert "nothing at team/kv:net/none" in problem(SecretSpec("a", "vault", "team/kv:net/none#x"), **known)


def test_vault_is_logged_in_to_again_when_its_token_has_expired(server: VaultServer) -> None:
    server.secrets["kv", "a"] = {"b": "canary-vault"}
    known = {"vault_addr": server.url, "vault_role_id": "role", "vault_secret_id": "right"}
    spec = SecretSpec("a", "vault", "kv:a#b")
    for logins in (1, 1, 2):
        if logins == 2:
            server.valid = "another"
        assert resolve(spec, settings(**known)) == "canary-vault"
        assert server.logins == logins


def test_a_vault_that_refuses_or_is_away_is_named_without_its_secrets(server: VaultServer) -> None:
    spec = SecretSpec("a", "vault", "kv:a#b")
    assert "VAULT_ADDR is not set" in problem(spec)
    assert "neither VAULT_TOKEN nor VAULT_ROLE_ID" in problem(spec, vault_addr=server.url)
    server.valid = "another"
    refused = problem(spec, vault_addr=server.url, vault_token="canary-token-of-vault")
    assert "refuses (403)" in refused
    wrong = problem(spec, vault_addr=server.url, vault_role_id="role", vault_secret_id="canary-wrong-id")
    assert "failed (InvalidRequest)" in wrong
    server.stop()
    vault._clients.clear()
    away = problem(spec, vault_addr=server.url, vault_token="canary-token-of-vault")
    assert f"Vault at {server.url} failed (ConnectionError)" in away
    assert "canary" not in refused + wrong + away
    again = problem(spec, vault_addr=server.url, vault_token="canary-token-of-vault")
    assert "did not answer a moment ago" in again, "every secret would wait for it"


def test_without_the_library_of_vault_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(vault.importlib, "import_module", absent)
    assert "pip install 'aiops[vault]'" in problem(SecretSpec("a", "vault", "kv:a#b"), vault_addr="http://127.0.0.1:1")
