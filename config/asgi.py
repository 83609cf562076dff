"""What uvicorn serves: Starlette outermost, Django inside."""

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application
from starlette.types import ASGIApp

_django = get_asgi_application()

from aiops.web.doors import connections, front  # noqa: E402  (its models need Django set up first)

connections.raise_file_limit()
Connection = connections.Connection
application = front.make(cast(ASGIApp, _django))
