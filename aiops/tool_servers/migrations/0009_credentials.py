"""Whose credential a server gets, and the credentials that people have for themselves."""

import re

import aiops.people.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


REFERENCE = re.compile(r"secret:|env:AIOPS_SECRET_|\$\{AIOPS_SECRET_")


def name_shared(apps, schema_editor):
    """Name what rows already do: a reference in headers or environment is a secret that all people share."""
    servers = apps.get_model("tool_servers", "MCPServer").objects.using(schema_editor.connection.alias)
    for server in servers.all():
        values = [*(server.headers or {}).values(), *(server.env or {}).values()]
        if any(REFERENCE.search(str(value)) for value in values):
            servers.filter(pk=server.pk).update(credential="shared")


class Migration(migrations.Migration):

    dependencies = [
        ('tool_servers', '0008_calls'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='mcpserver',
            name='credential',
            field=models.CharField(choices=[('none', 'None'), ('shared', 'Shared (secrets in its headers or environment)'), ('user', "Each person's own")], db_default='none', default='none', help_text="Each person's own: they enter it, and only their own calls carry it.", max_length=6),
        ),
        migrations.AddField(
            model_name='mcpserver',
            name='credential_header',
            field=models.CharField(blank=True, db_default='', default='', help_text="Gets each person's own credential, as it is; empty: Authorization, as a bearer token.", max_length=100, verbose_name='header of the credential'),
        ),
        migrations.RunPython(name_shared, migrations.RunPython.noop, elidable=True),
        migrations.CreateModel(
            name='ToolCredential',
            fields=[
                ('id', models.UUIDField(default=aiops.people.models.new_id, editable=False, primary_key=True, serialize=False)),
                ('encrypted', models.TextField(editable=False)),
                ('address', models.CharField(editable=False, max_length=64)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('server', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='credentials', to='tool_servers.mcpserver')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tool_credentials', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['server__name'],
                'constraints': [models.UniqueConstraint(fields=('user', 'server'), name='one_credential_per_server')],
            },
        ),
    ]
