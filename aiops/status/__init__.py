"""The status of the running system."""
