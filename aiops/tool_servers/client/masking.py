"""Masks a person's credential in everything that the server which gets it says.

The process's redactors do not learn it: they would mask it in other people's runs, too, who could then guess it, and
would carry every credential that was ever used. It comes into a run only by what this server answers.
"""

from __future__ import annotations

import json
from dataclasses import replace

from aiops.events import redaction
from aiops.tool_servers.client.listing import Listing
from aiops.tool_servers.client.values import Offered, Progress, RemoteTool, ToolResult

TELLS = "its definition has the credential of the person who lists it"


class Mask:
    """Of one credential; an empty one masks nothing."""

    def __init__(self, credential: str) -> None:
        self._credential = credential
        self._forms = redaction.forms_of(credential) if credential else ()

    def text(self, text: str) -> str:
        """Return a text with the credential masked."""
        for form in self._forms:
            text = text.replace(form, redaction.MASK)
        return text

    def result(self, result: ToolResult) -> ToolResult:
        """Return a result with the credential masked."""
        return replace(result, text=self.text(result.text)) if self._forms else result

    def progress(self, progress: Progress) -> Progress:
        """Return a sign of progress with the credential masked."""
        return replace(progress, text=self.text(progress.text)) if self._forms else progress

    def listing(self, listing: Listing) -> Listing:
        """Return a list without tools whose definition tells the credential: a pin of it would be this person's."""
        if not self._forms:
            return listing
        usable = {name: tool for name, tool in listing.tools.items() if not self._tells(tool)}
        kept_back = tuple(
            Offered(self.text(tool.remote_name), "", False, TELLS)
            for name, tool in listing.tools.items()
            if name not in usable
        )
        refused = tuple(
            replace(one, name=self.text(one.name), problem=self.text(one.problem)) for one in listing.refused
        )
        return Listing(usable, refused + kept_back)

    def _tells(self, tool: RemoteTool) -> bool:
        said = json.dumps([tool.name, tool.description, tool.schema, tool.definition], ensure_ascii=False)
        return self.text(said) != said
