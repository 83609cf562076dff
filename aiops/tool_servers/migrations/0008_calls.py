
import aiops.people.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tool_servers', '0007_catalogue'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ToolCall',
            fields=[
                ('id', models.UUIDField(default=aiops.people.models.new_id, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('run', models.UUIDField()),
                ('server', models.CharField(max_length=31)),
                ('name', models.CharField(max_length=128)),
                ('tool_class', models.CharField(choices=[('read', 'Read'), ('write', 'Write'), ('destructive', 'Destructive'), ('unknown', 'Unknown')], max_length=11, verbose_name='class')),
                ('outcome', models.CharField(choices=[('ok', 'Ok'), ('error', 'Error'), ('unknown', 'Unknown')], max_length=7)),
                ('ms', models.FloatField()),
                ('bytes', models.PositiveBigIntegerField()),
                ('arguments_hash', models.CharField(max_length=64)),
                ('arguments', models.JSONField(null=True)),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['at'], name='tool_calls_by_age'), models.Index(fields=['server', 'name', '-id'], name='calls_of_tool'), models.Index(fields=['run'], name='calls_of_run')],
            },
        ),
    ]
