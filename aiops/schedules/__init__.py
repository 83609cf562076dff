"""Schedules: start prompts and batches at their due times, and follow how each ended."""
