"""The wiring: environment, Django, Celery, ASGI, command line and supervisor."""
