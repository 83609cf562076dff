"""People's own credentials, with real servers: each server sees only the right person's, and at its own address."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from aiops.people import accounts, administration
from aiops.people.models import User
from aiops.runs.work import offering
from aiops.tool_servers import lifecycle
from aiops.tool_servers.client.errors import ServerDown
from aiops.tool_servers.client.pool import NO_CREDENTIAL
from aiops.tool_servers.credentials import saving
from aiops.tool_servers.models import MCPServer, Tool
from tests.integration.tool_credentials.credential_server import CredentialServer, serving
from tests.integration.tool_credentials.working import ANN, BEN, BEN_LATER, Worker, first

pytestmark = pytest.mark.django_db(transaction=True)


async def test_each_server_sees_only_the_credentials_of_the_people_who_have_one_there(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer, netbox: CredentialServer
) -> None:
    await worker.in_thread(saving.add, people["ann"], "netbox", "canary-of-ann-4")
    tools = {tool.server: tool for tool in (await worker.catalogue(people["ann"])).tools}
    assert set(tools) == {"gitlab", "netbox"}
    assert "canary" not in await worker.call(people["ann"], tools["gitlab"])
    assert "canary" not in await worker.call(people["ann"], tools["netbox"])
    assert [tool.server for tool in (await worker.catalogue(people["ben"])).tools] == ["gitlab"]
    await worker.call(people["ben"], tools["gitlab"])
    assert gitlab.tokens() == {f"Bearer {ANN}", f"Bearer {BEN}"}
    assert netbox.tokens() == {"Bearer canary-of-ann-4"}
    called = [headers["Authorization"] for method, headers in gitlab.seen if method == "tools/call"]
    assert called == [f"Bearer {ANN}", f"Bearer {BEN}"]
    assert sorted(gitlab.sessions.values()) == sorted(f"Bearer {one}" for one in (ANN, BEN))


async def test_who_has_no_credential_is_told_where_to_enter_one_and_nobody_elses_is_used(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    tool = await first(worker, people["ann"])
    seen = await worker.catalogue(people["cy"])
    assert seen.tools == ()
    assert {(one.server, one.code) for one in seen.missing} == {("gitlab", NO_CREDENTIAL), ("netbox", NO_CREDENTIAL)}
    assert all("you have entered none: do so at /tool-credentials/" in one.reason for one in seen.missing)
    for user_id in (str(people["cy"].pk), ""):
        with pytest.raises(ServerDown, match="credential"):
            await worker.pool.call(tool, {}, user_id=user_id)
    assert (await worker.pool.catalogue()).tools == ()
    assert gitlab.tokens() == {f"Bearer {ANN}"}
    assert "tools/call" not in [method for method, _ in gitlab.seen]


async def test_what_a_server_says_of_a_credential_is_masked_and_a_tool_that_tells_it_is_refused(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    leaking = {"name": "leaking", "description": f"For {ANN}.", "inputSchema": {"type": "object"}}
    gitlab.tools = [*gitlab.tools, leaking]
    tool = await first(worker, people["ann"])
    assert await worker.call(people["ann"], tool) == "you are Bearer [redacted]"
    rows = await worker.in_thread(lambda: list(Tool.objects.filter(server__name="gitlab").values()))
    assert [row["name"] for row in rows] == ["first"]
    assert "canary" not in json.dumps(rows, default=str)


async def test_errors_of_a_server_and_of_its_handshake_are_masked(
    worker: Worker,
    people: dict[str, User],
    gitlab: CredentialServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tool = await first(worker, people["ann"])
    gitlab.fails_at = "tools/call"
    assert await worker.call(people["ann"], tool) == "no room for Bearer [redacted]"
    gitlab.fails_at = "initialize"
    (missing,) = (one for one in (await worker.catalogue(people["ben"])).missing if one.server == "gitlab")
    assert missing.reason == "It answered: no room for Bearer [redacted]"
    assert missing.code != NO_CREDENTIAL
    assert "canary" not in caplog.text


async def test_a_run_has_a_notice_with_the_cure_for_who_asks(worker: Worker, people: dict[str, User]) -> None:
    notices: dict[str, str] = {}

    async def notice(code: str, text: str) -> None:
        notices[code] = text

    async def offered(user: User) -> list[str]:
        asked = SimpleNamespace(user_id=str(user.pk), options=SimpleNamespace(read_only=True), text="")
        context, recorder = SimpleNamespace(tools=worker.pool), SimpleNamespace(notice=notice)
        made = await offering.offer(asked, context, recorder, conversation=[])  # type: ignore[arg-type]
        return [tool.name for tool in made.tools]

    assert await offered(people["ann"]) == ["gitlab_first"]
    assert "'netbox'" in notices[NO_CREDENTIAL]
    assert await offered(people["cy"]) == []
    assert notices[NO_CREDENTIAL].endswith("do so at /tool-credentials/")


async def test_a_changed_credential_is_used_from_then_on_and_its_old_session_is_closed(
    worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    tool = await first(worker, people["ben"])
    await worker.call(people["ben"], tool)

    def change() -> None:
        saving.put(saving.own(people["ben"]).get(), BEN_LATER)

    await worker.in_thread(change)  # the control channel tells the worker
    await worker.closed()
    assert gitlab.sessions == {}
    await worker.call(people["ben"], tool)
    assert list(gitlab.sessions.values()) == [f"Bearer {BEN_LATER}"]


def remove(user: User) -> None:
    saving.remove(saving.own(user).get())


def deactivate(user: User) -> None:
    administration.change(User.objects.create_superuser("root"), user, {"is_active": False})


@pytest.mark.parametrize("act", [remove, deactivate, accounts.delete])
async def test_a_session_ends_with_the_credential_or_the_account(
    act: Callable[[User], None], worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    tool, user = await first(worker, people["ben"]), str(people["ben"].pk)
    await worker.in_thread(act, people["ben"])
    await worker.closed()
    assert gitlab.sessions == {}
    sent = len(gitlab.seen)
    with pytest.raises(ServerDown, match="you have entered none"):
        await worker.pool.call(tool, {}, user_id=user)
    assert (await worker.pool.catalogue(user_id=user)).tools == ()
    assert len(gitlab.seen) == sent


@pytest.mark.parametrize("by_raw_sql", [False, True])
async def test_a_credential_is_not_sent_to_another_address_until_it_is_entered_again(
    by_raw_sql: bool, worker: Worker, people: dict[str, User], gitlab: CredentialServer
) -> None:
    await first(worker, people["ann"])
    with serving() as elsewhere:

        def move(url: str) -> None:
            row = MCPServer.objects.get(name="gitlab")
            if by_raw_sql:
                MCPServer.objects.filter(pk=row.pk).update(url=url)
                return
            row.url, row.status = url, "healthy"
            lifecycle.put(row, changed={"url", "status"})
            Tool.objects.filter(server=row).update(status="accepted")  # its first tools are taken as they are

        await worker.in_thread(move, elsewhere.url)
        await worker.reread()
        await worker.closed()
        (missing,) = (one for one in (await worker.catalogue(people["ann"])).missing if one.server == "gitlab")
        assert "its address has changed since you entered your credential" in missing.reason
        assert missing.code == NO_CREDENTIAL
        with pytest.raises(ServerDown, match="its address has changed"):
            await worker.call(people["ann"])
        assert elsewhere.seen == []
        (shown,) = await worker.in_thread(lambda: [saving.problem(one) for one in saving.own(people["ann"])])
        assert shown == saving.MOVED
        await worker.in_thread(lambda: saving.put(saving.own(people["ann"]).get(), ANN))
        assert (await worker.call(people["ann"], await first(worker, people["ann"]))).startswith("you are")
        assert elsewhere.tokens() == {f"Bearer {ANN}"}
        assert (await worker.catalogue(people["ben"])).tools == (), "Ben has not entered his again"
        assert elsewhere.tokens() == {f"Bearer {ANN}"}
