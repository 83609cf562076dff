"""Declares the audit log."""

from aiops.apps import Feature


class Audit(Feature):
    name = "aiops.audit"
    verbose_name = "Audit"
