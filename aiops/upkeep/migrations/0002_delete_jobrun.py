from django.db import migrations


class Migration(migrations.Migration):
    """Gives the table to ``jobs``: in the database nothing changes."""

    dependencies = [("upkeep", "0001_initial"), ("jobs", "0001_initial")]

    operations = [migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="JobRun")])]
