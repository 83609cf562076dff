"""``aiops move``: all rows of one machine (SQLite in a home) to PostgreSQL, and back."""
