"""Limits of attachments. It imports nothing, so that the command line uses it too."""

MAX_BYTES = 262_144
"""Of one file."""
MAX_PER_MESSAGE = 5
MAX_UNSENT = 100
"""Files of one user that no message was sent with yet."""
UNSENT_HOURS = 24
"""A file that was sent with no message is removed after this time."""
