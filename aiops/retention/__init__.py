"""Retention: rules by kind, state and age, a preview of their effect, and removal in small steps."""
