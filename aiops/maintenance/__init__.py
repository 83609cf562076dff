"""Maintenance: periodic jobs, their catalogue, and the history of their runs."""
