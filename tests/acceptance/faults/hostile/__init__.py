"""Tool servers that do what no server should, as programs: ``python -m tests.acceptance.faults.hostile``."""
