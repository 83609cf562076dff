"""Trials: what a worker tries while a person waits for the outcome, such as a tool or a secret."""
