"""Real servers of the tests' own, which can be killed, frozen and cut off: PostgreSQL, RabbitMQ, Redis."""
