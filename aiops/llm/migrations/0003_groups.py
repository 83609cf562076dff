from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('llm', '0002_models'),
    ]

    operations = [
        migrations.AddField(
            model_name='llmmodel',
            name='groups',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
    ]
