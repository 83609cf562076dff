"""Declares approvals: the policies, what people are asked, and their decisions."""

from aiops.apps import Feature, Job, Logged, NavigationItem


class Approvals(Feature):
    name = "aiops.approvals"
    verbose_name = "Approvals"

    api = {
        "approval-policies": "aiops.approvals.api:ApprovalPolicies",
        "approvals": "aiops.approvals.api:Approvals",
        "approval-grants": "aiops.approvals.api:Grants",
    }
    pages = "aiops.approvals.pages"
    navigation = (NavigationItem("Approvals", "approvals", order=8, count="aiops.approvals.people:count_for_me"),)
    jobs = (
        Job(
            "approvals",
            "Ends approvals that nobody has decided about in time.",
            run="aiops.approvals.expiring:expire",
            every_s=10,
            outbound=False,
        ),
    )
    logged = {"aiops.approvals.models:ApprovalPolicy": Logged()}
    metrics = "aiops.approvals.metrics:families"
