"""Measures the running system against its targets and its peers: ``make bench``."""
