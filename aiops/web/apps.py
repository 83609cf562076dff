"""The frame of pages and API, and the system status."""

from aiops.apps import MANAGE, STAFF, Feature, NavigationItem


class Web(Feature):
    name = "aiops.web"

    pages = "aiops.web.pages.docs"
    navigation = (
        NavigationItem("Admin", "admin:index", order=90, permission=STAFF, group=MANAGE),
        NavigationItem("API", "docs", order=100, group=MANAGE),
    )
