"""The change log: who changed which configuration row, from what to what, and why."""
