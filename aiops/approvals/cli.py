"""``aiops approvals``: list and show what waits for a decision, and decide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click
from rich.markup import escape

from aiops.approvals.values import ApprovalState, Choice, ItemState
from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.exit_codes import report_failure
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.text import one_line, printable, when
from aiops.terminal.types import ID

PATH = "/api/approvals/"
COLOURS = {"pending": "yellow", "decided": "green", "expired": "red", "closed": "dim"}
COLUMNS: dict[str, listing.Cell] = {
    "approval": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "asked by": lambda row: escape(printable(row["requested_by"])),
    "may decide": lambda row: escape(printable(", ".join(row["may_decide"]))),
    "expires": lambda row: when(row["expires_at"]),
    "calls": lambda row: escape(_calls(row)),
}
_approval = click.argument("approval_id", type=ID)
_remember = click.option(
    "--remember", is_flag=True, help="Allow these tools in this conversation without asking again."
)


@click.group()
def approvals() -> None:
    """List calls of tools that wait for a decision, and decide about them."""


@approvals.command("list")
@click.option("--state", type=click.Choice([state.value for state in ApprovalState]))
@click.option("--mine", is_flag=True, help="Only those that wait for your decision.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_approvals(client: Client, state: str | None, mine: bool, limit: int, as_json: bool) -> None:
    """List approvals, newest first."""
    found = client.get(PATH, state=state, mine="true" if mine else None, limit=limit)["results"]
    listing.show(
        found,
        as_json=as_json,
        plain=lambda row: (row["id"], row["state"], printable(row["requested_by"]), row["expires_at"], _calls(row)),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("calls", "may decide")),
        nothing="Nothing waits for a decision." if mine or state == "pending" else "There are no approvals.",
    )


@approvals.command("show")
@_approval
@click.option("--json", "as_json", is_flag=True)
@client_options
def show_approval(client: Client, approval_id: UUID, as_json: bool) -> None:
    """Show what is asked: each call with its arguments, and what is known about it."""
    row = client.get(f"{PATH}{approval_id}/")
    if as_json:
        listing.dump(row)
        return
    listing.print_facts(
        {
            "approval": row["id"],
            "state": row["state"],
            "run": row["run"],
            "asked by": printable(row["requested_by"]),
            "may decide": printable(", ".join(row["may_decide"])),
            "expires": when(row["expires_at"]) if row["state"] == ApprovalState.PENDING else None,
        }
    )
    for item in row["items"]:
        print()
        listing.print_facts(_facts(item))


@approvals.command("approve")
@_approval
@_remember
@client_options
def approve(client: Client, approval_id: UUID, remember: bool) -> int:
    """Let all calls that wait for you be made."""
    return _decide(client, approval_id, {"decision": Choice.APPROVE, **({"remember": True} if remember else {})})


@approvals.command("edit")
@_approval
@click.argument("arguments")
@_remember
@client_options
def edit(client: Client, approval_id: UUID, arguments: str, remember: bool) -> int:
    """Let the call be made with other ARGUMENTS, a JSON object such as '{"host": "db-2"}'."""
    try:
        written = json.loads(arguments)
    except (ValueError, RecursionError) as error:
        return report_failure(f"The arguments are not JSON: {error}")
    decision = {"decision": Choice.EDIT, "arguments": written, **({"remember": True} if remember else {})}
    return _decide(client, approval_id, decision, only_one=True)


@approvals.command("reject")
@_approval
@click.option("--reason", help="The model reads it.")
@client_options
def reject(client: Client, approval_id: UUID, reason: str | None) -> int:
    """Keep all calls that wait for you from being made."""
    return _decide(client, approval_id, {"decision": Choice.REJECT, **({"reason": reason} if reason else {})})


@approvals.command("answer")
@_approval
@click.argument("text")
@client_options
def answer(client: Client, approval_id: UUID, text: str) -> int:
    """Give TEXT as the result instead of the call; of a call of unknown outcome: what happened."""
    return _decide(client, approval_id, {"decision": Choice.ANSWER, "text": text}, only_one=True)


def _decide(client: Client, approval_id: UUID, decision: dict[str, Any], *, only_one: bool = False) -> int:
    """Send one decision about all calls that wait for the caller."""
    row = client.get(f"{PATH}{approval_id}/")
    waiting = [one["id"] for one in row["items"] if one["is_mine"]]
    if only_one and len(waiting) > 1:
        return report_failure("Several calls wait for you: use the page of the approval, or the API.")
    chosen = waiting or [one["id"] for one in row["items"]]  # the server says why none may be decided about
    done = client.post(f"{PATH}{approval_id}/decide/", {"items": [{"id": one, **decision} for one in chosen]})
    for one in done["items"]:
        print(one["id"], one["state"], f"{printable(one['server'])} · {printable(one['tool'])}", sep="\t")
    return 0


def _calls(row: Row) -> str:
    return one_line(", ".join(f"{item['server']} · {item['tool']} {_arguments(item)}" for item in row["items"]))


def _arguments(item: Row) -> str:
    return json.dumps(item["arguments"], ensure_ascii=False)


def _facts(item: Row) -> dict[str, object]:
    decided = f", {printable(item['decided_by'])}" if item["decided_by"] else ""
    mine = " (waits for you)" if item["is_mine"] else ""
    facts: Sequence[tuple[str, object]] = [
        ("call", item["id"]),
        ("tool", f"{printable(item['server'])} · {printable(item['tool'])} ({item['tool_class']})"),
        ("arguments", printable(_arguments(item))),
        ("can be undone", item["facts"].get("reversible")),
        ("the model says", one_line(printable(item["reason"])) or None),
        ("because of", printable(item["policy"])),
        ("state", f"{item['state']}{decided}{mine}"),
        ("reason", printable(item["decision_reason"]) or None),
        ("result", one_line(printable(item["preview"])) or None),
        ("warning", "Whether the call took effect is not known." if _is_unknown(item) else None),
    ]
    return dict(facts)


def _is_unknown(item: Row) -> bool:
    return bool(item["facts"].get("outcome_unknown")) or item["state"] == ItemState.OUTCOME_UNKNOWN
