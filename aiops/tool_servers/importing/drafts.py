"""Maps one server of a configuration file to the fields of a row, with references in place of its secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiops import untrusted
from aiops.tool_servers import rules
from aiops.tool_servers.client.values import Protocol
from aiops.tool_servers.importing import variables
from aiops.tool_servers.importing.reading import Members, Written
from aiops.tool_servers.importing.secrets import SecretFinder
from aiops.tool_servers.importing.variables import NotReferable, Variables

T = TypeVar("T", bound=Sized)
MAX_DEPTH = 5
ALIASES = {"serverUrl": "url", "httpUrl": "url", "transport": "type", "transportType": "type"}
"""Names that Windsurf, Gemini and older versions of Cline give to the same things."""
TYPES = {"stdio": Protocol.STDIO, "http": Protocol.HTTP, "streamablehttp": Protocol.HTTP, "sse": Protocol.SSE}
"""Without dashes and underscores, in lower case."""
LEFT_OUT = ("autoApprove", "alwaysAllow", "trust", "description", "icon", "gallery", "version", "dev", "timeout")
"""Fields that concern an editor alone: which tools it calls without asking, how it shows and debugs a server, and how
long it waits. aiops has its own rules for all of these; without them a server can do nothing that the file forbids."""
FIELDS = ("type", "command", "args", "env", "cwd", "url", "headers", "disabled")
HIDDEN_IN = "has what looks like a secret, which cannot be referenced there: put it into env or headers"


class NotImportable(ValueError):
    """A server that cannot be imported; the message is the reason, without any value."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One server of a file, read and checked; two are equal if they are the same server under two names."""

    was: str = field(compare=False)
    protocol: Protocol
    url: str
    command: str
    args: tuple[str, ...]
    cwd: str
    headers: Mapping[str, str] = field(repr=False)
    """As the file has them, secrets included."""
    env: Mapping[str, str] = field(repr=False)
    is_disabled: bool = field(compare=False)
    left_out: tuple[str, ...] = field(compare=False)

    def place(self) -> tuple[str, str, str, list[str], str]:
        """Return what needs no reference: protocol, URL, command, arguments, folder."""
        return str(self.protocol), self.url, self.command, list(self.args), self.cwd

    def references(self) -> Iterator[str]:
        """Yield the references in its headers and its environment, as the file has them."""
        for value in (*self.headers.values(), *self.env.values()):
            yield from variables.parts_of(value)[1]

    def row(self, name: str, known: Variables, finder: SecretFinder) -> dict[str, Any]:
        """Return the fields of a row of this name; adds the variables that it refers to. Raises NotImportable."""
        protocol, url, command, args, cwd = self.place()
        return {
            "name": name,
            "protocol": protocol,
            "url": url,
            "command": command,
            "args": args,
            "cwd": cwd,
            "headers": {
                key: self._referring(name, f"headers.{key}", value, known, is_secret=True)
                for key, value in self.headers.items()
            },
            "env": {
                key: self._referring(name, f"env.{key}", value, known, is_secret=finder.is_secret(key, value))
                for key, value in self.env.items()
            },
        }

    def _referring(self, name: str, where: str, value: str, known: Variables, *, is_secret: bool) -> str:
        """Return a value with references of ours for those of the file, and for the whole of it if it is a secret."""
        texts, found = variables.parts_of(value)
        if any(variables.refers(text) for text in texts):
            raise NotImportable(f"{where} has a reference that cannot be read: write ${{NAME}}")
        try:
            referred = [known.name_of(known.source_of(inner)) for inner in found]
        except NotReferable as error:
            raise NotImportable(f"{where}: {error}") from None
        if is_secret and not (found and all(variables.AROUND.match(text) for text in texts)):
            own = variables.of_field(name, self.was, where)
            if found:
                own = replace(own, text=f"{own.text}, with its references replaced")
            return f"env:{known.name_of(own)}"
        if len(found) == 1 and not any(texts):
            return f"env:{referred[0]}"
        return texts[0] + "".join(f"${{{variable}}}{text}" for variable, text in zip(referred, texts[1:], strict=True))


def draft(written: Written, finder: SecretFinder) -> Draft:
    """Return a server's fields; raises NotImportable."""
    found, left_out = _fields(written)
    command, url = _text(found, "command"), _text(found, "url")
    if bool(command) == bool(url):
        raise NotImportable("it needs either a command or a url")
    made = Draft(
        was=written.was,
        protocol=_protocol(_text(found, "type"), url),
        url=url,
        command=command,
        args=_arguments(found),
        cwd=_text(found, "cwd"),
        headers=_pairs(found, "headers"),
        env=_pairs(found, "env"),
        is_disabled=_truth(found, "disabled"),
        left_out=left_out,
    )
    _refuse_secrets(made, finder)
    return made


def _fields(written: Written) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return (fields by their usual names, names of those that are left out)."""
    fields = written.fields
    if not isinstance(fields, Members):
        raise NotImportable("it is not an object")
    try:
        faults = untrusted.faults({written.was: fields}, max_depth=MAX_DEPTH)
    except untrusted.TooDeep:
        raise NotImportable("it is nested too deep") from None
    for reason in faults.values():
        raise NotImportable(f"it has a text that cannot be stored: {reason}")
    found: dict[str, Any] = {}
    for given, value in fields.pairs:
        name = ALIASES.get(given, given)
        if name in found:
            raise NotImportable(f"{name} is given twice")
        if name in FIELDS:
            found[name] = value
        elif name not in LEFT_OUT:
            raise NotImportable(f"there is no field {name[:60]} in aiops: without it, it would be another server")
    return found, tuple(name for name in fields if name in LEFT_OUT)


def _refuse_secrets(made: Draft, finder: SecretFinder) -> None:
    """Raise NotImportable for references and secrets where they cannot be replaced, and for names that are secrets."""
    for where, texts in {"command": [made.command], "args": made.args, "cwd": [made.cwd], "url": [made.url]}.items():
        if any(variables.refers(text) for text in texts):
            raise NotImportable(
                f"{where} has a reference, which is replaced only in env and headers: write the value itself, "
                "unless it is a secret"
            )
    try:
        _ = urlsplit(made.url).port
    except ValueError:
        raise NotImportable("its url cannot be read") from None
    if finder.in_address(made.url):
        raise NotImportable(f"url {HIDDEN_IN}")
    if finder.in_arguments(made.args):
        raise NotImportable(f"args {HIDDEN_IN}")
    if finder.has_secret(made.command) or finder.has_secret(made.cwd):
        raise NotImportable(f"command or cwd {HIDDEN_IN}")
    if any(finder.has_secret(name) for name in (made.was, *made.headers, *made.env, *made.references())):
        raise NotImportable("a name in it looks like a secret: put the secret into the value")


def _protocol(written: str, url: str) -> Protocol:
    kind = written.lower().replace("-", "").replace("_", "")
    if kind:
        if kind not in TYPES:
            raise NotImportable(f"aiops has no type {written[:40]}: it has stdio, http (streamable-http) and sse")
        return TYPES[kind]
    if not url:
        return Protocol.STDIO
    return Protocol.SSE if url.rstrip("/").endswith("/sse") else Protocol.HTTP


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotImportable(f"{name} is not a text")
    return _within(name, value.strip())


def _truth(found: Mapping[str, Any], name: str) -> bool:
    value = found.get(name)
    if not isinstance(value, bool | None):
        raise NotImportable(f"{name} is not true or false")
    return bool(value)


def _arguments(found: Mapping[str, Any]) -> tuple[str, ...]:
    values = found.get("args") or []
    if not isinstance(values, list):
        raise NotImportable("args is not a list")
    return tuple(_as_text("args", value) for value in _few("args", values))


def _as_text(where: str, value: Any) -> str:
    """Return a text; numbers, which clients pass on as texts, too."""
    if isinstance(value, str):
        return _within(where, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _within(where, str(value))
    raise NotImportable(f"{where} has a value that is not a text")


def _pairs(found: Mapping[str, Any], name: str) -> dict[str, str]:
    values = found.get(name)
    if values is None:
        return {}
    if not isinstance(values, Members):
        raise NotImportable(f"{name} is not an object")
    if repeated := values.repeated:
        raise NotImportable(f"{name}.{repeated[0][:60]} is given twice")
    return {key: _as_text(f"{name}.{key[:60]}", value) for key, value in _few(name, values).items()}


def _few(where: str, values: T) -> T:
    """Return a list or an object that is not too long; what comes after it costs time for each entry."""
    if len(values) > rules.MAX_ENTRIES:
        raise NotImportable(f"{where} has {len(values)} entries; the most is {rules.MAX_ENTRIES}")
    return values


def _within(where: str, text: str) -> str:
    if len(text) > rules.MAX_CHARACTERS:
        raise NotImportable(f"{where} has a text of {len(text)} characters; the most is {rules.MAX_CHARACTERS}")
    return text
