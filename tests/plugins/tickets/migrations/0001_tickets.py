from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Ticket",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False, auto_created=True, verbose_name="ID")),
                ("title", models.CharField(max_length=300)),
                ("state", models.CharField(max_length=10, default="open")),
                ("touched_at", models.DateTimeField(db_default=Now())),
            ],
        )
    ]
