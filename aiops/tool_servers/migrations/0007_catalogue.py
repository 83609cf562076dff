"""The catalogue of tools. What is used today stays in use, with the class that it was used with."""

import aiops.people.models
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


def accept_known(apps, schema_editor):
    """Accept the tools that servers have listed, and let those that have listed none accept their first list."""
    alias = schema_editor.connection.alias
    servers = apps.get_model("tool_servers", "MCPServer").objects.using(alias)
    tools = apps.get_model("tool_servers", "Tool").objects.using(alias)
    servers.update(accept_tools=True)
    for server in servers.exclude(tools=None):
        used = {one["name"]: one for one in server.tools if not one.get("problem")}
        tools.bulk_create(
            tools.model(
                server_id=server.pk,
                name=name[:128],
                tool_class="read" if one.get("read_only") else "write",
                status="accepted",
                problem="",
            )
            for name, one in used.items()
        )


class Migration(migrations.Migration):

    dependencies = [
        ('tool_servers', '0006_tags'),
    ]

    operations = [
        migrations.AddField(
            model_name='mcpserver',
            name='accept_tools',
            field=models.BooleanField(db_default=False, default=False, help_text='Accept the tools of its next list, as they are; false again after that.', verbose_name='accept its tools'),
        ),
        migrations.CreateModel(
            name='Tool',
            fields=[
                ('id', models.UUIDField(default=aiops.people.models.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(editable=False, max_length=128)),
                ('tool_class', models.CharField(choices=[('read', 'Read'), ('write', 'Write'), ('destructive', 'Destructive'), ('unknown', 'Unknown')], default='unknown', max_length=11, verbose_name='class')),
                ('status', models.CharField(choices=[('accepted', 'Accepted'), ('pending', 'Pending'), ('dropped', 'Dropped')], default='pending', editable=False, max_length=8)),
                ('problem', models.CharField(blank=True, editable=False, max_length=300)),
                ('pin', models.CharField(blank=True, editable=False, max_length=64)),
                ('definition', models.JSONField(default=dict, editable=False)),
                ('offered_pin', models.CharField(blank=True, editable=False, max_length=64)),
                ('offered', models.JSONField(default=dict, editable=False)),
                ('is_enabled', models.BooleanField(default=True)),
                ('timeout_s', models.PositiveIntegerField(blank=True, help_text="Of a call, without a sign of progress; otherwise its server's.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(300)], verbose_name='timeout, seconds')),
                ('max_result_bytes', models.PositiveIntegerField(blank=True, help_text='Of a result, for the model; otherwise AIOPS_TOOL_RESULT_BYTES.', null=True, validators=[django.core.validators.MinValueValidator(100), django.core.validators.MaxValueValidator(1000000)])),
                ('calls_per_run', models.PositiveIntegerField(blank=True, help_text='Otherwise AIOPS_MAX_TOOL_CALLS for all.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('server', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='catalogue', to='tool_servers.mcpserver')),
            ],
            options={
                'ordering': ['server__name', 'name'],
                'constraints': [models.UniqueConstraint(fields=('server', 'name'), name='one_tool_of_a_name')],
            },
        ),
        migrations.RunPython(accept_known, migrations.RunPython.noop),
    ]
