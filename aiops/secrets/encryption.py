"""Encrypts stored values with the key ring of AIOPS_ENCRYPTION_KEYS: its first key encrypts, all decrypt."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from aiops.settings import Settings


class NoKey(Exception):
    """No key is configured, or none of them decrypts a value; the message names the cure."""


def encrypt(value: str, settings: Settings) -> str:
    """Return the value, encrypted; raises NoKey."""
    return _ring(settings).encrypt(value.encode()).decode()


def decrypt(encrypted: str, settings: Settings) -> str:
    """Return the value; raises NoKey."""
    try:
        return _ring(settings).decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise NoKey(
            "AIOPS_ENCRYPTION_KEYS does not have the key that encrypted it: add that key, or save the value again"
        ) from None


def is_current(encrypted: str, settings: Settings) -> bool:
    """Whether the first key of the ring, alone, decrypts a value."""
    first, *_ = settings.encryption_key_ring()
    try:
        Fernet(first).decrypt(encrypted.encode())
    except InvalidToken:
        return False
    return True


def _ring(settings: Settings) -> MultiFernet:
    keys = settings.encryption_key_ring()
    if not keys:
        raise NoKey("AIOPS_ENCRYPTION_KEYS is not set: set it for the web and all workers (docs/operations/secrets.md)")
    return MultiFernet([Fernet(key) for key in keys])
