"""What looks at a server that gets people's own credentials: its health check, and who tries a tool by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import settings as django_settings
from django.db import connection

from aiops import dispatch
from aiops.people.models import User
from aiops.tool_servers import jobs
from aiops.tool_servers.catalogue import listing
from aiops.tool_servers.client import probe
from aiops.tool_servers.credentials import reading, saving
from aiops.tool_servers.models import MCPServer, Tool
from aiops.trials import asking
from aiops.trials import jobs as trials
from tests.integration.secrets.calls import calls, grown
from tests.integration.tool_credentials.credential_server import CredentialServer, serving
from tests.integration.tool_servers.rows import add

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "canary-of-ann-1"


@pytest.fixture
def ann(db: None) -> User:
    return grown("ann", "view_tool")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does what is requested at once, in a thread of its own."""

    def work(job: str, *, request_id: str, in_s: int = 0) -> None:
        def run() -> None:
            try:
                trials.run_trials(django_settings.SETTINGS)
            finally:
                connection.close()

        threading.Thread(target=run).start()

    monkeypatch.setattr(dispatch, "upkeep", work)
    monkeypatch.setattr(asking, "WAIT_S", 20)


@pytest.fixture
def server() -> Iterator[CredentialServer]:
    with serving() as made:
        yield made


def test_health_is_checked_without_anybodys_credential_and_a_server_that_wants_one_is_well(
    server: CredentialServer, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "upkeep", lambda job, **_: None)
    server.accepts = {f"Bearer {SECRET}"}
    for name, credential in (("own", "user"), ("plain", "none")):
        add(name, url=server.url, endpoint="/mcp", credential=credential)
    saving.add(ann, "own", SECRET)
    jobs.check_health(django_settings.SETTINGS)
    problems = dict(MCPServer.objects.values_list("name", "problem"))
    assert problems["own"] == ""
    assert problems["plain"].startswith("It answered 401")
    server.accepts = None  # what it offers without a credential is not what people get
    MCPServer.objects.update(look_at="2020-01-01T00:00:00Z")
    jobs.check_health(django_settings.SETTINGS)
    assert MCPServer.objects.get(name="own").tools is None
    assert {tool.server.name for tool in Tool.objects.all()} == {"plain"}
    assert server.tokens() == {""}


def test_a_tool_is_tried_with_the_credential_of_the_one_who_tries_it(
    server: CredentialServer, ann: User, worker: None
) -> None:
    row = add("own", url=server.url, endpoint="/mcp", credential="user")
    saving.add(ann, "own", SECRET)
    tool = listed_by(ann, row)
    where = f"/api/tools/{tool.pk}/try/"
    tried = calls(ann)("POST", where, {}).json()
    assert (tried["status"], tried["result"]) == ("ok", "you are Bearer [redacted]")
    assert server.tokens() == {f"Bearer {SECRET}"}
    other = calls(grown("ben", "view_tool"))("POST", where, {}).json()
    assert (other["status"], "you have entered none" in other["result"]) == ("error", True)
    assert server.tokens() == {f"Bearer {SECRET}"}


def listed_by(user: User, row: MCPServer) -> Tool:
    """List a server's tools as a session of this person does, and accept them."""
    spec = reading.server_of(row, str(user.pk), django_settings.SETTINGS)
    (seen,) = probe.check([replace(spec, personal=False)])
    assert seen.tools, seen.problem
    listing.record(MCPServer.objects.get(pk=row.pk), seen.tools, django_settings.SETTINGS, whole=False)
    tool = Tool.objects.get(server=row)
    listing.accept(tool)
    tool.tool_class = Tool.Class.READ
    tool.save()
    return tool
