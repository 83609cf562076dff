"""People with rights, and calls to the API of secrets in their name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.people import tokens
from aiops.people.models import User

Call = Callable[..., Any]
PATH = "/api/secrets/"
KEY, OTHER = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def grown(name: str, *codes: str) -> User:
    user = User.objects.create_user(name, password="correct-horse-battery")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


def calls(user: User, base: str = PATH) -> Call:
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='t')[1]}"})

    def call(method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        where = path if path.startswith("/") else base + path
        return web.generic(
            method, where, *([] if body is None else [json.dumps(body).encode(), "application/json"]), headers=headers
        )

    return call
