"""Tools that model providers run themselves, as the page and the API of tools list them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.people.models import User

pytestmark = pytest.mark.django_db
PATH = "/api/tools/providers/"


def test_tools_of_providers_are_listed_as_off_for_those_who_may_see_tools(client: Client) -> None:
    assert client.get(PATH).status_code == 401
    user = User.objects.create_user("reader")
    client.force_login(user)
    assert client.get(PATH).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_tool"))
    rows = client.get(PATH).json()
    assert {"provider": "openai", "tool": "web_search", "status": "off", "note": "not under approval"} in rows
    assert client.post(PATH, {}, "application/json").status_code in (403, 405)
    page = client.get("/tools/").content.decode()
    assert "Of model providers: not under approval, off" in page
    assert "<code>web_search</code>" in page
    assert "Of model providers" not in client.get("/tools/?server=netbox").content.decode()
