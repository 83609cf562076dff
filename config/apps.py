"""Makes the Celery app exist wherever Django is set up, so that nothing publishes to Celery's default broker."""

from django.apps import AppConfig


class Config(AppConfig):
    """Ties Django and Celery together."""

    name = "config"

    def ready(self) -> None:
        """Import the Celery app (it becomes the default of every thread)."""
        from config import celery  # noqa: F401
