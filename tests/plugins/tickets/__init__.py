"""Tickets: a feature that an installed package brings."""
