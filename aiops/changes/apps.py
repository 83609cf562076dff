"""Declares the change log; other features declare whose changes it keeps (``Feature.logged``)."""

from aiops.apps import Feature


class Changes(Feature):
    name = "aiops.changes"

    def ready(self) -> None:
        """Register the tables of all features."""
        from aiops.changes import recording  # noqa: PLC0415  tables cannot be imported before

        recording.register_all()
