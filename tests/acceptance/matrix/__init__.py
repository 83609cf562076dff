"""The fault matrix: what is asked while faults happen, and what must hold afterwards."""
