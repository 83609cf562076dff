"""``aiops tools``: tool servers, and what they offer."""

import click

from aiops.tool_servers.cli import catalogue, credentials, servers


@click.group()
def tools() -> None:
    """List and change tool servers and their tools."""


for command in (*servers.COMMANDS, *catalogue.COMMANDS):
    tools.add_command(command)
tools.add_command(credentials.credential)
