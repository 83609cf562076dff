"""Upkeep: what the clock asks for. Each job does all that is due and leaves a row."""
