"""Commands on a home: backup, restore, logs, support bundle."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aiops.settings import Settings
    from config.local.home import Home

_home = click.option("--home", help="Folder  [default: AIOPS_HOME or .aiops]")
_file = click.Path(dir_okay=False, path_type=Path)


def _open(home: str | None) -> tuple[Settings, Home]:
    """Return the settings with this home, and the home."""
    if home:
        os.environ["AIOPS_HOME"] = home
    from config import env
    from config.local.home import Home

    settings = env.load()
    return settings, Home(settings.home)


@click.command()
@click.argument("file", type=_file)
@_home
def backup(file: Path, home: str | None) -> None:
    """Copy a home's database and secrets into FILE (.tar.gz), also while it is in use."""
    from config.local.backup import CannotCopy, make

    settings, source = _open(home)
    if settings.database_url.get_secret_value():
        raise CannotCopy("The rows are in DATABASE_URL: use that server's own backup (docs/operations/backup.md).")
    make(source, file)
    print(f"Written: {file}. It holds secrets: keep it as safe as the home.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_home
def restore(file: Path, home: str | None) -> None:
    """Make a home from a backup; then start it with `aiops up`."""
    from config.local.backup import restore as make_home

    _, made = _open(home)
    make_home(file, made)
    print(f"Restored: {made.path}. Start it with: aiops up --home {shlex.quote(str(made.path))}")


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Wait for new lines, until Ctrl-C.")
@click.option("--id", "id_", default="", help="Only lines of this run, conversation, batch or task.")
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@click.option("--process", default="", help="Only of these processes, such as worker-runs.")
@click.option("--lines", "-n", type=click.IntRange(0, 1_000_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
@_home
def logs(follow: bool, id_: str, level: str, process: str, lines: int, as_json: bool, home: str | None) -> None:
    """Show the logs of all processes, merged by time."""
    from config.local import logs as merged

    folder = _open(home)[1].logs
    if not folder.is_dir():
        raise click.ClickException(f"there are no logs in {folder}: name the home with --home.")
    wanted = merged.Wanted(id_, level, process)

    def show(line: merged.Line) -> None:
        record = {"process": line.process, **line.content}
        print(json.dumps(record, ensure_ascii=False) if as_json else line.text(), flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        for line in merged.past(folder, count=lines, wanted=wanted):
            show(line)
        for line in merged.follow(folder, wanted=wanted) if follow else ():
            show(line)


@click.command("support-bundle")
@click.argument("file", type=_file, default="aiops-support.tar.gz")
@_home
def support_bundle(file: Path, home: str | None) -> None:
    """Collect versions, settings, doctor's findings and recent logs, without secrets, in FILE."""
    from config import support

    names = support.bundle(*_open(home), file)
    print(f"Written: {file} ({', '.join(names)}). Read it before you pass it on.")
