"""``aiops batch``: its commands; each imports what it needs when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import UUID

import click

from config.cli_options import action, client_options, deletion


@click.group()
def batch() -> None:
    """Send many prompts at once, and fetch their answers."""


_file_in = click.Path(exists=True, dir_okay=False, path_type=Path)
_file_out = click.Path(dir_okay=False, writable=True, path_type=Path)
_batch_id = click.argument("batch_id", type=click.UUID)
_out = click.option("--out", type=_file_out, help="Write results here: .jsonl or .csv.")


@batch.command("run")
@click.argument("file", type=_file_in)
@_out
@click.option("--name", help="What you will know it by.")
@click.option("--template", help="Prompt over the columns of each line, such as 'Summarise {{log}}'.")
@click.option("--response-schema", type=_file_in, help="JSON Schema that every answer must fit.")
@click.option("--webhook", help="Tell this address when it has ended.")
@click.option("--model", help="Ask this model instead of the default.")
@click.option("--skip-invalid", is_flag=True, help="Leave invalid lines out instead of running nothing.")
@click.option("--max-concurrency", type=click.IntRange(1, 1_000), help="Items at once.")
@client_options
def batch_run(
    file: Path,
    out: Path | None,
    name: str | None,
    template: str | None,
    response_schema: Path | None,
    webhook: str | None,
    model: str | None,
    skip_invalid: bool,
    max_concurrency: int | None,
    url: str | None,
) -> None:
    """Send FILE (.jsonl, .json or .csv), watch, and write the answers; Ctrl-C leaves the batch running."""
    from aiops.terminal import batches as terminal
    from config.client import connect

    asked = {"name": name, "template": template, "model": model, "max_concurrency": max_concurrency}
    asked["webhook"] = webhook
    asked["policy"] = "skip_invalid" if skip_invalid else None
    options = {key: value for key, value in asked.items() if value is not None}
    sys.exit(terminal.run(connect(url), file, out=out, options=options, schema=response_schema))


@batch.command("watch")
@_batch_id
@_out
@client_options
def batch_watch(batch_id: UUID, out: Path | None, url: str | None) -> None:
    """Watch a batch until its end, and write the answers."""
    from aiops.terminal import batches as terminal
    from config.client import connect

    sys.exit(terminal.watch(connect(url), str(batch_id), out=out))


@batch.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def batch_list(limit: int, as_json: bool, url: str | None) -> None:
    """Your batches, the newest first."""
    from aiops.terminal import batches as terminal
    from config.client import connect

    sys.exit(terminal.list_(connect(url), limit=limit, as_json=as_json))


@batch.command("show")
@_batch_id
@click.option("--json", "as_json", is_flag=True)
@client_options
def batch_show(batch_id: UUID, as_json: bool, url: str | None) -> None:
    """One batch: its state, counts and tokens."""
    from aiops.terminal import batches as terminal
    from config.client import connect

    sys.exit(terminal.show(connect(url), str(batch_id), as_json=as_json))


@batch.command("results")
@_batch_id
@_out
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of JSONL.")
@click.option("--errors", is_flag=True, help="What has no answer, and why.")
@client_options
def batch_results(batch_id: UUID, out: Path | None, as_csv: bool, errors: bool, url: str | None) -> None:
    """The answers so far, in the order of the file."""
    from aiops.terminal import batches as terminal
    from config.client import connect

    as_csv = as_csv or (out is not None and out.suffix.lower() == ".csv")
    sys.exit(terminal.results(connect(url), str(batch_id), out=out, as_csv=as_csv, errors=errors))


action(batch, "cancel", "Stop a batch; what is done is kept.", by="batches")
action(batch, "retry", "Run once more what failed.", by="batches")
action(batch, "resume", "Go on with what was cancelled or expired.", by="batches")
deletion(batch, "Delete an ended batch with its answers.", path="/api/batches/")
