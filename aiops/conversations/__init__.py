"""Conversations: their messages, the runs that answer them, and the only code that changes a run's state."""
