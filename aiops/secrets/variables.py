"""Which variables of a worker's environment may be read as secrets."""

from __future__ import annotations

import re

PREFIX = "AIOPS_SECRET_"
"""Only these variables may be referred to, so that no other value of the environment is sent to a server."""
FORM = re.compile(r"^AIOPS_SECRET_[A-Z0-9_]{1,100}\Z")
OWN = ("AIOPS_SECRET_KEY", "AIOPS_SECRET_KEY_FALLBACKS", "AIOPS_SECRET_KEY_FILE", "AIOPS_SECRET_KEY_FALLBACKS_FILE")
"""Settings of aiops that have the prefix: they sign sessions, and no server may get them."""
