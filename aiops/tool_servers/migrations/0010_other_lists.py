"""The prompts and resources that servers list."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tool_servers', '0009_credentials'),
    ]

    operations = [
        migrations.AddField(
            model_name='mcpserver',
            name='lists_problem',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=300),
        ),
        migrations.AddField(
            model_name='mcpserver',
            name='prompts',
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='mcpserver',
            name='resources',
            field=models.JSONField(editable=False, null=True),
        ),
    ]
