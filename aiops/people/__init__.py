"""People: users, their API tokens and idempotency keys, and signing in."""
