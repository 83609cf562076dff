"""How much of the matrix is run: a short form in ``make test``, all of it by ``make matrix``."""

from __future__ import annotations

import os

import pytest

FULL = os.environ.get("MATRIX") == "full"
ROUNDS = 40 if FULL else 8
BACKLOG = 10_000 if FULL else 500
BATCH = 5_000 if FULL else 300
KILLS = 20 if FULL else 3
AWAY_S = 8.0 if FULL else 4.0
"""How long a server is away; a lease is two seconds here."""

in_full = pytest.mark.skipif(not FULL, reason="part of the full matrix: make matrix")
