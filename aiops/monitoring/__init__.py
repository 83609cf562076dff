"""Monitoring: the alert rules for Prometheus, and the run-book that says what to do about each."""
