"""Runs: one attempt to answer one message, from its acceptance to its last event."""
