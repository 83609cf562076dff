"""Mechanisms taken out one by one: each must be missed by the test that guards it."""
