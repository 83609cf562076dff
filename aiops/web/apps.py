"""The frame of pages and API, and the system status."""

from aiops.apps import Feature, NavigationItem


class Web(Feature):
    name = "aiops.web"

    api = {"status": "aiops.web.api.status:Status"}
    pages = "aiops.web.pages.docs"
    navigation = (NavigationItem("API", "docs", order=100),)
