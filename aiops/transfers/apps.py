"""Declares transfers: their job, and an action of the administration of rows."""

from aiops.apps import Feature, Job
from aiops.transfers.reading import MAX_FILE_BYTES

IMPORT_PATH = "/admin/transfers/transfer/import/"


class Transfers(Feature):
    name = "aiops.transfers"
    verbose_name = "CSV files"

    jobs = (
        Job(
            "transfers",
            "Imports and exports CSV files of configuration rows.",
            run="aiops.transfers.jobs:run_transfers",
            every_s=60,
        ),
    )
    row_actions = {"export_rows": ("Export selected as CSV", "aiops.transfers.admin:export_rows")}
    body_limits = {IMPORT_PATH: lambda settings: MAX_FILE_BYTES + settings.max_body_bytes}
