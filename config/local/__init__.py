"""``aiops up`` and the commands on its home: everything on one machine."""
