"""People: users, their API tokens, and what they have already asked (idempotency)."""
