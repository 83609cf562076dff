"""The spine: one run from its claim to its last event."""
