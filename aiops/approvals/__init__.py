"""Approvals: which calls of tools need a person's decision, who may decide, and what became of each call."""
