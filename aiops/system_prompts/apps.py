"""Declares system prompts."""

from aiops.apps import MANAGE, Feature, Logged, NavigationItem

MAX_BYTES = 4_000_000
"""Of a list of rows."""


class SystemPrompts(Feature):
    name = "aiops.system_prompts"
    verbose_name = "System prompts"

    api = {"system-prompts": "aiops.system_prompts.api:SystemPrompts"}
    pages = "aiops.system_prompts.pages"
    navigation = (
        NavigationItem(
            "System prompts", "prompts", order=73, permission="system_prompts.view_systemprompt", group=MANAGE
        ),
    )
    logged = {"aiops.system_prompts.models:SystemPrompt": Logged()}
    body_limits = {"/api/system-prompts/": lambda _: MAX_BYTES}
