"""Our own server about the machine is the first row."""

from django.db import migrations


def add_host(apps, schema_editor):
    """Add it, healthy until a health check says otherwise."""
    servers = apps.get_model("tool_servers", "MCPServer").objects.using(schema_editor.connection.alias)
    servers.create(
        name="host", protocol="stdio", command="{python}", args=["-m", "aiops.tool_servers.host"], status="healthy"
    )


class Migration(migrations.Migration):
    dependencies = [("tool_servers", "0001_start")]
    operations = [migrations.RunPython(add_host, migrations.RunPython.noop)]
