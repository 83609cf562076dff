"""How the parts are put together: environment, Django, Celery, ASGI, the command line and the supervisor."""
