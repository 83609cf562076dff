import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """Takes the table over from ``upkeep``: in the database nothing changes."""

    initial = True

    dependencies = [("upkeep", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="JobRun",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("job", models.CharField(max_length=40)),
                        ("slot", models.CharField(max_length=64)),
                        ("outcome", models.CharField(choices=[("running", "Running"), ("done", "Done"), ("failed", "Failed")], default="running", max_length=8)),
                        ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("ms", models.FloatField(null=True)),
                        ("summary", models.JSONField(default=dict)),
                    ],
                    options={
                        "db_table": "upkeep_jobrun",
                        "indexes": [models.Index(fields=["job", "-started_at"], name="runs_of_job")],
                        "constraints": [models.UniqueConstraint(fields=("job", "slot"), name="one_run_per_slot")],
                    },
                ),
            ],
        ),
    ]
