"""Upkeep's jobs as people see them: what ran, when, and what came of it."""
