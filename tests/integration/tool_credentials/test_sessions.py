"""Sessions of single people: bounded, closed when idle, and not opened in vain; what they list, and what they send."""

from __future__ import annotations

import asyncio

import pytest

from aiops.people.models import User
from aiops.tool_servers import lifecycle
from aiops.tool_servers.client.pool import NO_CREDENTIAL
from aiops.tool_servers.credentials import saving
from aiops.tool_servers.models import MCPServer, Tool, ToolCredential
from tests.integration.tool_credentials.credential_server import CredentialServer
from tests.integration.tool_credentials.working import ANN, BEN, Worker, first

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_worker_that_missed_the_message_closes_the_session_when_it_reads_the_rows_again(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    await first(worker, people["ben"])
    await worker.in_thread(ToolCredential.objects.all().delete)
    await worker.reread()
    await worker.closed()


async def test_an_idle_session_is_closed_and_opened_again_by_the_next_call(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.personal.IDLE_S", 0.3)
    monkeypatch.setattr("aiops.tool_servers.client.personal.SWEEP_S", 0.05)
    tool = await first(worker, people["ann"])
    assert list(gitlab.sessions.values()) == [f"Bearer {ANN}"]
    await worker.closed()
    assert gitlab.sessions == {}
    assert (await worker.call(people["ann"], tool)).startswith("you are")
    await worker.closed()
    assert gitlab.sessions == {}


async def test_a_process_holds_a_bounded_number_of_sessions_and_gives_up_the_longest_idle(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.personal.MAX_SESSIONS", 1)
    tool = await first(worker, people["ann"])
    await first(worker, people["ben"])
    await worker.closed(1)
    assert list(gitlab.sessions.values()) == [f"Bearer {BEN}"]
    async with worker.pool.personal.using(str(people["ben"].pk), "gitlab"):
        (missing,) = (one for one in (await worker.catalogue(people["ann"])).missing if one.server == "gitlab")
        assert "as many sessions of single people as it may" in missing.reason
        assert missing.code != NO_CREDENTIAL
    assert (await worker.call(people["ann"], tool)).startswith("you are")


async def test_a_refused_credential_is_named_and_is_not_tried_again_and_again(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    gitlab.accepts = {f"Bearer {BEN}"}
    (missing,) = (one for one in (await worker.catalogue(people["ann"])).missing if one.server == "gitlab")
    assert missing.reason.startswith("It answered 401")
    assert missing.reason.endswith("Enter another credential: /tool-credentials/")
    assert missing.code == NO_CREDENTIAL
    tries = len(gitlab.seen)
    await asyncio.sleep(1.5)  # of a server that is away, three attempts would have been made
    assert len(gitlab.seen) == tries
    assert (await worker.catalogue(people["ben"])).tools, "it concerns nobody else"


async def test_tools_that_only_people_see_wait_to_be_accepted_and_stay_when_another_does_not_see_them(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    await worker.in_thread(lambda: MCPServer.objects.filter(name="gitlab").update(accept_tools=False))
    await worker.reread()
    seen = await worker.catalogue(people["ann"])
    assert [(one.tool, one.waits) for one in seen.withheld] == [("first", True)]
    rows = await worker.in_thread(lambda: list(Tool.objects.values_list("name", "status")))
    assert rows == [("first", "pending")]
    gitlab.tools = [{**gitlab.tools[0], "name": "second"}]
    await worker.catalogue(people["ben"])
    rows = await worker.in_thread(lambda: sorted(Tool.objects.values_list("name", "status")))
    assert rows == [("first", "pending"), ("second", "pending")]


async def test_another_header_gets_the_credential_as_it_is(
    worker: Worker, people: dict[str, User], netbox: CredentialServer
) -> None:
    netbox.header = "Private-Token"

    def change() -> None:
        row = MCPServer.objects.get(name="netbox")
        row.credential_header = "Private-Token"
        row.status = "healthy"
        lifecycle.put(row, changed={"credential_header", "status"})
        saving.add(people["cy"], "netbox", "canary-of-cy-9")

    await worker.in_thread(change)
    await worker.reread()
    await worker.call(people["cy"], await first(worker, people["cy"]))
    assert netbox.tokens() == {"canary-of-cy-9"}
    assert '"Authorization"' not in netbox.everything()
