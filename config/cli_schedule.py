"""``aiops schedule``: its commands; each imports what it needs when it is called."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from config.cli_options import action, client_options, deletion

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@click.group()
def schedule() -> None:
    """Have a prompt asked by the clock."""


_schedule_id = click.argument("schedule_id", type=click.UUID)
_file_in = click.Path(exists=True, dir_okay=False, path_type=Path)


class Span(click.ParamType[int]):
    """A span of time, such as 90s, 15m, 6h or 1d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds."""
        found = re.fullmatch(r"(\d+)([smhd])", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no span: write 90s, 15m, 6h or 1d.", param, ctx)
        return int(found[1]) * UNITS_S[found[2]]


@schedule.command("add")
@click.argument("prompt", required=False)
@click.option("--batch", type=_file_in, help="A JSONL file of prompts instead, as a batch each time.")
@click.option("--name", help="What you will know it by  [default: the prompt's beginning]")
@click.option("--every", type=Span(), help="Such as 15m, 6h, 1d.")
@click.option("--cron", help="Such as '0 7 * * 1-5'.")
@click.option("--timezone", help="Of --cron, such as Europe/Berlin  [default: UTC]")
@click.option("--at", type=click.DateTime(), help="Once, in this machine's time.")
@click.option("--overlap", type=click.Choice(["skip", "queue", "replace"]), help="When the one before is unfinished.")
@click.option("--catch-up", is_flag=True, help="Make up once for times that were missed.")
@click.option("--jitter", type=Span(), help="Start up to so much later.")
@click.option("--max-times", type=click.IntRange(1), help="End after so many.")
@click.option("--webhook", help="Tell this address when each has ended.")
@click.option("--model", help="Ask this model instead of the default.")
@click.option("--allow-changes", is_flag=True, help="Let it use tools that can change something.")
@client_options
def schedule_add(
    prompt: str | None,
    batch: Path | None,
    name: str | None,
    every: int | None,
    at: datetime | None,
    catch_up: bool,
    jitter: int | None,
    allow_changes: bool,
    url: str | None,
    **same: Any,
) -> None:
    """Ask PROMPT by the clock; print the schedule's id."""
    import json

    from aiops.terminal import schedules as terminal
    from config.client import connect

    if (prompt is None) == (batch is None):
        raise click.UsageError("Give either PROMPT or --batch.")
    asked: dict[str, Any] = {**same, "name": name or (prompt or str(batch and batch.name))[:60], "every_s": every}
    if batch is not None:
        try:
            asked["batch"] = {"items": [json.loads(line) for line in batch.read_text().splitlines() if line.strip()]}
        except ValueError as error:
            raise click.UsageError(f"{batch} is not JSONL: {error}") from error
    asked |= {"message": prompt, "at": at.astimezone().isoformat() if at else None, "jitter_s": jitter}
    asked |= {"catch_up": "once" if catch_up else None, "allow_changes": allow_changes or None}
    given = {key: value for key, value in asked.items() if value is not None}
    sys.exit(terminal.add(connect(url), given))


@schedule.command("list")
@click.option("--json", "as_json", is_flag=True)
@client_options
def schedule_list(as_json: bool, url: str | None) -> None:
    """Your schedules, and when each is due."""
    from aiops.terminal import schedules as terminal
    from config.client import connect

    sys.exit(terminal.list_(connect(url), as_json=as_json))


@schedule.command("show")
@_schedule_id
@click.option("--json", "as_json", is_flag=True)
@client_options
def schedule_show(schedule_id: UUID, as_json: bool, url: str | None) -> None:
    """One schedule: its next times, and what came of the last ones."""
    from aiops.terminal import schedules as terminal
    from config.client import connect

    sys.exit(terminal.show(connect(url), str(schedule_id), as_json=as_json))


action(schedule, "run", "Ask it now, besides its times.", by="schedules")
action(schedule, "pause", "Let it rest.", by="schedules")
action(schedule, "resume", "Go on from now.", by="schedules")
deletion(schedule, "Delete a schedule; its answers stay.", path="/api/schedules/")
