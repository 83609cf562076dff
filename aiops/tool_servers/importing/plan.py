"""Compares the servers of a file with the rows: which are created, under which names, and with which variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError

from aiops.tool_servers import references
from aiops.tool_servers.importing import names
from aiops.tool_servers.importing.drafts import Draft, NotImportable, draft
from aiops.tool_servers.importing.reading import Content
from aiops.tool_servers.importing.secrets import SecretFinder
from aiops.tool_servers.importing.variables import NotReferable, Source, Variables
from aiops.tool_servers.models import MCPServer

ORDER = ("own", "variable", "input")
"""Kinds of sources, as they get their variables; those of values in the file come last, and give way."""
NO_COMMANDS = "it runs a command, which requires the permission run_commands"


class Action(StrEnum):
    CREATE = "create"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one server of the file; ``name`` is empty if it is refused."""

    was: str
    action: Action
    name: str = ""
    reason: str = ""


@dataclass(slots=True)
class Plan:
    """What an import does: outcomes in the file's order, rows to create, and variable → where its value comes from."""

    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[MCPServer] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)


class Planner:
    """Plans one import; ``taken`` are names that no new row may get."""

    def __init__(
        self,
        content: Content,
        rows: Collection[MCPServer],
        *,
        taken: Collection[str],
        may_run_commands: bool,
        finder: SecretFinder,
    ) -> None:
        self._content = content
        self._rows = {row.name: row for row in rows}
        self._taken = {*taken, *names.RESERVED}
        self._may_run_commands = may_run_commands
        self._finder = finder
        self._variables = Variables(content.inputs)
        self._claimed: dict[str, Draft] = {}
        self._plan = Plan()

    def plan(self) -> Plan:
        """Return the plan; once it is carried out, the plan of the same file creates nothing."""
        drafts: list[Draft | Outcome] = []
        for written in self._content.servers:
            try:
                drafts.append(draft(written, self._finder))
            except NotImportable as error:
                drafts.append(Outcome(written.was, Action.REFUSED, reason=_sentence(str(error))))
        self._name_references([one for one in drafts if isinstance(one, Draft)])
        for one in drafts:
            self._plan.outcomes.append(self._outcome(one) if isinstance(one, Draft) else one)
        return self._plan

    def _name_references(self, drafts: list[Draft]) -> None:
        found: list[Source] = []
        for inner in (inner for one in drafts for inner in one.references()):
            try:
                found.append(self._variables.source_of(inner))
            except NotReferable:  # its server is refused when its row is made
                continue
        for source in sorted(found, key=lambda one: ORDER.index(one.kind)):
            self._variables.name_of(source)

    def _outcome(self, one: Draft) -> Outcome:
        free = ""
        most = len(self._rows) + len(self._claimed) + len(self._taken) + 1  # one more than there are names
        for name in islice(names.candidates(names.mapped(one.was)), most):
            if (other := self._claimed.get(name)) is not None:
                if other == one:
                    return Outcome(one.was, Action.UNCHANGED, name, f"It is the same server as {other.was}.")
            elif (row := self._rows.get(name)) is not None:
                if self._is_same(one, row):
                    return self._claim(one, name, Action.UNCHANGED)
            elif name not in self._taken:
                free = free or name
        return self._create(one, free)

    def _is_same(self, one: Draft, row: MCPServer) -> bool:
        url = row.url.rstrip("/") + row.endpoint if row.endpoint else row.url
        if one.place() != (row.protocol, url, row.command, row.args, row.cwd):
            return False
        known = self._variables.copy()
        try:
            fields = one.row(row.name, known, self._finder)
        except NotImportable:
            return False
        if (fields["headers"], fields["env"]) != (row.headers, row.env):
            return False
        self._use(known, fields)
        return True

    def _create(self, one: Draft, name: str) -> Outcome:
        known = self._variables.copy()
        try:
            fields = one.row(name, known, self._finder)
            status = MCPServer.Status.MAINTENANCE if one.is_disabled else MCPServer.Status.UNKNOWN
            row = MCPServer(**fields, status=status)
            row.full_clean(validate_unique=False, validate_constraints=False)
        except NotImportable as error:
            return Outcome(one.was, Action.REFUSED, reason=_sentence(str(error)))
        except ValidationError as error:
            wrong = "; ".join(f"{field}: {' '.join(reasons)}" for field, reasons in error.message_dict.items())
            return Outcome(one.was, Action.REFUSED, reason=_sentence(wrong))
        if row.protocol == MCPServer.Protocol.STDIO and not self._may_run_commands:
            return Outcome(one.was, Action.REFUSED, reason=_sentence(NO_COMMANDS))
        self._use(known, fields)
        self._plan.rows.append(row)
        return self._claim(one, name, Action.CREATE)

    def _use(self, known: Variables, fields: Mapping[str, Any]) -> None:
        """Keep the variables of a server that is or will be a row."""
        self._variables = known
        for value in (*fields["headers"].values(), *fields["env"].values()):
            self._plan.sources |= {name: known.of_name[name].text for name in references.names(value)}

    def _claim(self, one: Draft, name: str, action: Action) -> Outcome:
        self._claimed[name] = one
        said = []
        if (base := names.mapped(one.was)) != name:
            said.append(f"Another server has the name {base}.")
        if one.left_out:
            said.append(f"Left out: {', '.join(one.left_out)}.")
        if one.is_disabled and action is Action.CREATE:
            said.append("It is disabled in the file: it goes into maintenance.")
        return Outcome(one.was, action, name, " ".join(said))


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:].rstrip(".") + "."
