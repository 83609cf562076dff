"""Django's settings for the type checker, which needs no secrets and no servers."""

import os

os.environ.setdefault("AIOPS_SECRET_KEY", "for the type checker alone, this key signs nothing at all")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")

from config.settings import *  # noqa: F403
