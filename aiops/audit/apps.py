"""Declares the audit log."""

from aiops.apps import MANAGE, Feature, Job, NavigationItem, RetentionKind


class Audit(Feature):
    name = "aiops.audit"
    verbose_name = "Audit"

    api = {"audit": "aiops.audit.api:AuditLog"}
    pages = "aiops.audit.pages"
    navigation = (NavigationItem("Audit", "audit", order=90, permission="audit.view_auditrow", group=MANAGE),)
    streams = {"/api/audit/export/": "aiops.audit.streams:export"}
    jobs = (
        Job(
            "audit",
            "Verifies new rows of the audit log and signs the last one.",
            run="aiops.audit.jobs:sign",
            every_s=600,
            outbound=False,
        ),
    )
    retention = (RetentionKind("audit", "aiops.audit.retention:old", "aiops.audit.retention:prune"),)
    metrics = "aiops.audit.metrics:families"
