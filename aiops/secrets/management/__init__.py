"""Commands of ``aiops manage``."""
