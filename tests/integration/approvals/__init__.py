"""Approvals: what people are asked before a call is made, and what becomes of it."""
