"""The variables that take the place of secrets: what each stands for, and values rewritten to refer to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from aiops.tool_servers import references

REFERENCE = re.compile(r"\$\{([^{}]*)\}|(?<!\w)env:(AIOPS_SECRET_[A-Z0-9_]{1,100})(?!\w)")
VARIABLE = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)\Z")
INPUT = re.compile(r"input:([^{}:]{1,100})\Z")
OWN = re.compile(rf"{references.PREFIX}[A-Z0-9_]{{1,100}}\Z")
OF_EDITORS = re.compile(
    r"(?:workspace\w*|fileWorkspaceFolder|file(?:Basename\w*|Dirname\w*|Extname)?|relativeFile(?:Dirname)?|userHome|cwd"
    r"|lineNumber|selectedText|execPath|pathSeparator|defaultBuildTask|extensionPath|__dirname"
    r"|CLAUDE_(?:PROJECT_DIR|PLUGIN_\w+))\Z"
)
"""Variables that editors replace by something of their own (VS Code, Cursor, Claude Code; as of 2026-11)."""
AROUND = re.compile(r"(?:(?:bearer|basic|token|api-?key|key)(?![a-z0-9])|[\s=:;,\"'])*\Z", re.IGNORECASE)
"""What may stand around a reference in a secret, such as ``Bearer ``: more might be a part of the secret."""
MAX_CHARACTERS = 80
MAX_SHOWN_CHARACTERS = 60


class NotReferable(ValueError):
    """A reference that neither can be resolved nor becomes a variable of ours; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a variable comes from; ``text`` says it to people, and is no part of what it is."""

    kind: str
    key: tuple[str, ...]
    wanted: str
    """The variable's name, unless something else has it."""
    text: str = field(compare=False)


@dataclass(slots=True)
class Variables:
    """Variables by name; one name never stands for two things."""

    inputs: dict[str, str]
    """What each input of the file asks people for."""
    of_name: dict[str, Source] = field(default_factory=dict)

    def copy(self) -> Variables:
        return replace(self, of_name=dict(self.of_name))

    def name_of(self, source: Source) -> str:
        """Return the variable of a source, a new one unless there is one."""
        free = (name for name in _numbered(source.wanted) if name not in references.OWN)
        return next(name for name in free if self.of_name.setdefault(name, source) == source)

    def source_of(self, inner: str) -> Source:
        """Return what a reference of the file (what is between ``${`` and ``}``) stands for; raises NotReferable."""
        if OWN.match(inner) and inner not in references.OWN:
            return Source("own", (inner,), inner, "the variable that your file names, for which aiops was configured")
        if (found := VARIABLE.match(inner)) and not OF_EDITORS.match(found[1]):
            return Source("variable", (found[1],), named(found[1]), f"the variable {found[1]} where your file was used")
        if found := INPUT.match(inner):
            asked = " ".join(self.inputs.get(found[1], "").split())[:MAX_SHOWN_CHARACTERS]
            meaning = f" ({asked})" if asked else ""
            return Source("input", (found[1],), named(found[1]), f"the input {found[1]} of your file{meaning}")
        if ":-" in inner:
            raise NotReferable(f"{_shown(inner.partition(':-')[0])} has a default: write one or the other")
        raise NotReferable(f"{_shown(inner)} is known to an editor alone: write the value itself")


def named(text: str) -> str:
    """Return the name of a variable for any text: ``github-token`` → ``AIOPS_SECRET_GITHUB_TOKEN``."""
    plain = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")[:MAX_CHARACTERS] or "VALUE"
    return plain if OWN.match(plain) else references.PREFIX + plain


def of_field(server: str, was: str, where: str) -> Source:
    """Return the source of a value that stands in the file itself; ``where`` is such as ``headers.Authorization``."""
    word = where.partition(".")[2]
    prefix, plain = (re.sub(r"[^A-Z0-9]+", "_", text.upper()) for text in (server, word))
    wanted = named(word if plain.startswith(f"{prefix}_") else f"{server}_{word}")
    return Source("value", (server, was, where), wanted, f"the value of {where} of server {was} in your file")


def parts_of(value: str) -> tuple[list[str], list[str]]:
    """Split a value into the texts around its references, and the references (what is between ``${`` and ``}``)."""
    texts, found, end = [], [], 0
    for match in REFERENCE.finditer(value):
        texts.append(value[end : match.start()])
        found.append(match[2] or match[1])
        end = match.end()
    return [*texts, value[end:]], found


def refers(value: str) -> bool:
    """Return whether a value has something that looks like a reference, to whatever."""
    return bool(references.LEFT.search(value))


def _numbered(wanted: str) -> Iterator[str]:
    yield wanted
    for number in count(2):
        yield f"{wanted}_{number}"


def _shown(inner: str) -> str:
    """Return a reference as the file has it, unless it is no name."""
    return f"${{{inner}}}" if re.fullmatch(r"[\w:./\-]{1,60}", inner) else "A reference ${…}"
