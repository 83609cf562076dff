"""The schemas of LangChain's middleware say what its constructors take, also after an upgrade."""

from __future__ import annotations

import inspect

import langchain.agents.middleware as theirs
import pytest

from aiops.chains.langchain_types import LANGCHAIN, LEFT_OUT, MODULE

NOT_OFFERED = {
    "ShellToolMiddleware": "runs commands of the model in the worker",
    "FilesystemFileSearchMiddleware": "reads files of the worker",
    "LLMToolEmulator": "invents results of tools",
    "ModelRetryMiddleware": "a second retry",
    "ToolRetryMiddleware": "a second retry",
    "ToolErrorMiddleware": "only code can configure it, and errors of tools become results already",
    "ProviderToolSearchMiddleware": "the provider's tools are under no policy",
}


def test_every_middleware_of_langchain_is_offered_or_left_out_for_a_reason() -> None:
    there = {
        name
        for name in theirs.__all__
        if inspect.isclass(found := getattr(theirs, name))
        and issubclass(found, theirs.AgentMiddleware)
        and found is not theirs.AgentMiddleware
    }
    assert there == LANGCHAIN.keys() | NOT_OFFERED.keys()


@pytest.mark.parametrize("name", LANGCHAIN)
def test_a_schema_has_the_arguments_of_the_constructor(name: str) -> None:
    assert LANGCHAIN[name].path == MODULE + name
    arguments = set(inspect.signature(getattr(theirs, name).__init__).parameters) - {"self"}
    assert set(LANGCHAIN[name].properties) == arguments - LEFT_OUT[name]
    assert LEFT_OUT[name] <= arguments
