"""Status: every part of the system as the server sees it."""

from aiops.apps import SYSTEM, Feature, NavigationItem


class Status(Feature):
    name = "aiops.status"

    api = {"status": "aiops.status.api:Status"}
    pages = "aiops.status.pages"
    navigation = (NavigationItem("Status", "status", order=45, group=SYSTEM),)
