"""Commands about a home: back it up, restore it, read its logs, bundle it for who helps."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_home = click.option("--home", help="The folder  [default: AIOPS_HOME or .aiops]")
_file = click.Path(dir_okay=False, path_type=Path)


def _use(home: str | None) -> Any:
    """Return the settings, with this home."""
    if home:
        os.environ["AIOPS_HOME"] = home
    from config import env

    return env.load()


def _or_say(act: Callable[[], None]) -> None:
    from config.backup import CannotCopy

    try:
        act()
    except (CannotCopy, OSError) as error:
        print(f"aiops: {error}", file=sys.stderr)
        sys.exit(1)


@click.command()
@click.argument("file", type=_file)
@_home
def backup(file: Path, home: str | None) -> None:
    """Copy a home's rows and secrets into FILE (.tar.gz), also while it is in use."""
    from config.backup import CannotCopy, make
    from config.home import Home

    settings = _use(home)

    def act() -> None:
        if settings.database_url.get_secret_value():
            raise CannotCopy(
                "The rows live at DATABASE_URL: use that server's own backup (docs/operations/backup.md tells how)."
            )
        make(Home(settings.home), file)
        print(f"Written: {file}. It holds secrets: keep it as safe as the home.")

    _or_say(act)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_home
def restore(file: Path, home: str | None) -> None:
    """Make a home of a backup; then `aiops up` goes on from it."""
    from config.backup import restore as make_home
    from config.home import Home

    made = Home(_use(home).home)
    _or_say(lambda: make_home(file, made))
    print(f"Restored: {made.path}. Start it with: aiops up --home {made.path}")


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines, until Ctrl-C.")
@click.option("--id", "id_", default="", help="Only lines of this run, conversation, batch or task.")
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@click.option("--process", default="", help="Only of these processes, such as worker-runs.")
@click.option("--lines", "-n", type=click.IntRange(0, 1_000_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
@_home
def logs(follow: bool, id_: str, level: str, process: str, lines: int, as_json: bool, home: str | None) -> None:
    """The logs of all processes as one, in order of time."""
    import json

    from config import logs as merged
    from config.home import Home

    folder = Home(_use(home).home).logs
    if not folder.is_dir():
        print(f"aiops: there are no logs in {folder}: name the home with --home.", file=sys.stderr)
        sys.exit(1)
    wanted = merged.Wanted(id_, level, process)

    def show(line: merged.Line) -> None:
        told = {"process": line.process, **line.said}
        print(json.dumps(told, ensure_ascii=False) if as_json else line.text(), flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        for line in merged.past(folder, count=lines, wanted=wanted):
            show(line)
        for line in merged.follow(folder, wanted=wanted) if follow else ():
            show(line)


@click.command("support-bundle")
@click.argument("file", type=_file, default="aiops-support.tar.gz")
@_home
def support_bundle(file: Path, home: str | None) -> None:
    """Collect versions, settings, doctor's findings and recent logs, without secrets, into FILE."""
    from config import support
    from config.home import Home

    settings = _use(home)

    def act() -> None:
        names = support.bundle(settings, Home(settings.home), file)
        print(f"Written: {file} ({', '.join(names)}). Look through it before you give it away.")

    _or_say(act)
