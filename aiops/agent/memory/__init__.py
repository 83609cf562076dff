"""Memory: where the agent's checkpoints live."""

from __future__ import annotations

import psycopg
import redis

AWAY = (redis.RedisError, psycopg.Error, OSError)
"""What a saver raises when its server cannot be reached."""
