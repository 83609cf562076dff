"""Sample files sent to a running system through each of its doors, and what became of them there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from tests.acceptance.batching import ended
from tests.acceptance.system import System
from tests.samples.batches import REASON, Sample, mismatches


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a system made of a file."""

    said: str
    """Why the file was refused, in the words of the door."""
    batch: dict[str, Any] = field(default_factory=dict)
    """The batch as the API has it; empty when none was made."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """custom_id and last message of each line, or its reason."""
    answered: list[str] = field(default_factory=list)
    """The ids in the file of results."""


def outcome(system: System, client: httpx.Client, batch_id: str, *, said: str = "") -> Outcome:
    """Wait for the end of a batch and return what became of it."""
    at = f"/api/batches/{batch_id}/"
    batch = ended(client, {"links": {"self": at}}, within_s=120)
    written = system.rows(
        "SELECT custom_id, messages, error, state FROM batches_item WHERE batch_id = ? ORDER BY number",
        UUID(batch_id).hex,
    )
    lines = []
    for custom_id, messages, error, state in written:
        texts = [message["text"] for message in json.loads(messages)]
        lines.append((custom_id, REASON + json.loads(error)["detail"] if state == "invalid" else texts[-1]))
    found = client.get(f"{at}results/").text.split("\n")
    answered = [json.loads(line)["custom_id"] for line in found if line]
    return Outcome(said or (batch["error"] or {}).get("detail", ""), batch, lines, answered)


def check(sample: Sample, found: Outcome) -> None:
    """Fail unless a system did with the file what the table of samples says."""
    if not_accepted := sample.at_doors.get(""):
        assert not found.batch
        assert not_accepted in found.said
        return
    if not sample.refused:
        assert mismatches(sample.expected_at_doors(), found.lines) == []
    if sample.refused or not sample.valid:
        assert found.batch["state"] == "failed"
        assert (sample.refused or "No line is valid.") in found.batch["error"]["detail"]
        assert found.answered == []
        return
    assert found.batch["state"] == "completed", found
    assert found.answered == sample.answered


def as_options(sample: Sample) -> list[str]:
    """Return the options of ``aiops batch run`` for the sample's."""
    given = dict(sample.options)
    words = []
    for use, column in given.pop("columns", {}).items():
        words += ["--columns", f"{use}={column}"]
    if given.pop("ignore_model", False):
        words.append("--ignore-model")
    if given.pop("policy", "") == "skip_invalid":
        words.append("--skip-invalid")
    for name in ("template", "encoding"):
        words += [f"--{name}", given.pop(name)] if name in given else []
    assert not given, "an option that the command line lacks"
    return words
