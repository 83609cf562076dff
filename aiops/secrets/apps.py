"""Declares secrets."""

from aiops.apps import MANAGE, Feature, Logged, NavigationItem


class Secrets(Feature):
    name = "aiops.secrets"

    api = {"secrets": "aiops.secrets.api:Secrets"}
    pages = "aiops.secrets.pages"
    navigation = (NavigationItem("Secrets", "secrets", order=75, permission="secrets.view_secret", group=MANAGE),)
    encrypted = ("aiops.secrets.models:Secret",)
    logged = {"aiops.secrets.models:Secret": Logged(masked=("encrypted",))}
    trials = {"secret": "aiops.secrets.checking:check"}
