"""The group of all commands: those added directly, and those of entry points, which are imported when called."""

from __future__ import annotations

import sys
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

import click

GROUP = "aiops.commands"
"""Each entry point names a click command; our features and installed packages both use this group."""


class Unavailable(click.Command):
    """Placeholder of a command that cannot be loaded: hidden, and fails with the reason when it is called."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, hidden=True)
        self.why = why

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        raise click.ClickException(self.why)


class Unloaded(click.Command):
    """Placeholder of a command that is not loaded yet."""

    def __init__(self, entry: EntryPoint) -> None:
        super().__init__(entry.name)
        self._entry = entry

    def load(self) -> click.Command:
        """Return the command, or a placeholder if it cannot be loaded."""
        try:
            command = self._entry.load()
            if isinstance(command, click.Command):
                return command
            why = "it is not a click command"
        except Exception as error:  # noqa: BLE001  another package's failure must not harm other commands
            why = " ".join(f"{type(error).__name__}: {error}".split())
        return Unavailable(str(self.name), f"the command {self.name!r} ({self._entry.value}) cannot be loaded: {why}")


class Commands(click.Group):
    """A group of commands added directly or by entry point; the first command of a name wins.

    Entry points are not read for a command that was added directly.
    """

    @cached_property
    def _found(self) -> dict[str, click.Command]:
        """All entry points by name; those of our own package win."""
        entries = sorted(entry_points(group=GROUP), key=lambda one: (not one.value.startswith("aiops."), one.value))
        return {entry.name: Unloaded(entry) for entry in reversed(entries)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        self.commands = {**self._found, **self.commands}
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            self.commands = {**self._found, **self.commands}  # all of them, so that click can suggest a similar name
        command = self.commands.get(cmd_name)
        if isinstance(command, Unloaded):
            command = self.commands[cmd_name] = command.load()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands that work; report the others on standard error."""
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if isinstance(command, Unavailable):
                print(f"aiops: {command.why}", file=sys.stderr)
        super().format_commands(ctx, formatter)
