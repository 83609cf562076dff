"""The ASGI application that uvicorn serves: Starlette outermost, Django inside."""

import os
from typing import cast

import django
from starlette.types import ASGIApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from aiops import log  # noqa: E402
from aiops.web.doors import connections, front  # noqa: E402  (its models need Django set up first)
from aiops.web.doors.handler import Handler  # noqa: E402

log.take_over("uvicorn")
connections.raise_file_limit()
Connection = connections.Connection
application = front.make(cast(ASGIApp, Handler()))
