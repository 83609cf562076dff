"""Resolves secrets: only workers do, when a run or a check needs one. Blocks; call it in a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from aiops.events import redaction
from aiops.secrets import encryption, variables, vault
from aiops.secrets.values import SecretSpec
from aiops.settings import Settings

MAX_BYTES = 16_384
_reports: list[Callable[[SecretSpec], None]] = []


def report_to(report: Callable[[SecretSpec], None]) -> None:
    """Call this with each secret that this process resolves from now on; it must return at once."""
    _reports.append(report)


class Unresolved(Exception):
    """A secret that cannot be read; the message names the secret, the cause and the cure, never a value."""


def resolve(secret: SecretSpec, settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """Return the value without surrounding whitespace; raises Unresolved."""
    try:
        value = _value(secret, settings, environ).strip()
    except (_Missing, encryption.NoKey, vault.VaultFailed) as problem:
        raise Unresolved(f"The secret {secret.name!r} cannot be read: {problem}.") from None
    if not value:
        raise Unresolved(f"The secret {secret.name!r} is empty: give it a value.")
    if not value.isprintable():  # a key with a line break would be printed whole in the error of a client
        raise Unresolved(f"The secret {secret.name!r} has control characters: copy its value again.")
    redaction.learn(value)
    for report in _reports:
        report(secret)
    return value


class _Missing(Exception):
    pass


def _value(secret: SecretSpec, settings: Settings, environ: Mapping[str, str]) -> str:
    match secret.kind:
        case "env":
            return _of_variable(secret.reference, environ)
        case "file":
            return _of_file(secret.reference, settings)
        case "vault":
            return vault.read(secret.reference, settings)
        case "stored":
            return encryption.decrypt(secret.encrypted, settings)
        case kind:
            raise _Missing(f"there is no kind {kind!r} of secrets")


def _of_variable(name: str, environ: Mapping[str, str]) -> str:
    if name in variables.OWN or not name.startswith(variables.PREFIX):  # written by raw SQL
        raise _Missing(f"{name} may not be read: name a variable that begins with {variables.PREFIX}")
    if name not in environ:
        raise _Missing(f"{name} is not set for the workers: set it and restart them")
    return environ[name]


def _of_file(reference: str, settings: Settings) -> str:
    if not settings.secrets_dir:
        raise _Missing("AIOPS_SECRETS_DIR is not set for the workers: set it to the folder with the files")
    folder = Path(settings.secrets_dir).resolve()
    path = (folder / reference).resolve()  # a link may lead out of the folder
    if not path.is_relative_to(folder):
        raise _Missing(f"{reference} leads out of AIOPS_SECRETS_DIR")
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe would wait for its writer
        try:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise _Missing(f"{reference} is no file")
            read = os.read(opened, MAX_BYTES + 1)
        finally:
            os.close(opened)
        text = read.decode()
    except OSError as error:
        raise _Missing(f"{reference} in AIOPS_SECRETS_DIR: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Missing(f"{reference} is not UTF-8") from None
    if len(read) > MAX_BYTES:
        raise _Missing(f"{reference} has more than {MAX_BYTES} bytes")
    return text
