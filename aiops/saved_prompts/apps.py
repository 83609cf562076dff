"""Declares saved prompts."""

from aiops.apps import Feature, NavigationItem


class SavedPrompts(Feature):
    name = "aiops.saved_prompts"
    verbose_name = "Saved prompts"

    api = {"saved-prompts": "aiops.saved_prompts.api:SavedPrompts"}
    pages = "aiops.saved_prompts.pages"
    navigation = (NavigationItem("Prompts", "saved-prompts", order=25),)
