"""The terminal entrance: a client of the API like any other, which imports nothing of the rooms."""
