"""Declares the change log; other features declare whose changes it keeps (``Feature.logged``)."""

from aiops.apps import Feature, RetentionKind


class Changes(Feature):
    name = "aiops.changes"
    verbose_name = "Changes"
    retention = (RetentionKind("changes", "aiops.changes.retention:old", "aiops.retention.pruning:remove_rows"),)

    def ready(self) -> None:
        """Register the tables of all features."""
        from aiops.changes import recording  # noqa: PLC0415  tables cannot be imported before

        recording.register_all()
