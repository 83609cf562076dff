"""Azure OpenAI: deployments of OpenAI's models in one's own Azure resource. As of API version 2024-10-21 and later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiops.llm.handler import TEXT, URL, BaseLLMProviderHandler, Health, Variable, given, schema
from aiops.llm.providers import openai

DEFAULT_VERSION = "2024-10-21"
"""The latest version that is generally available (2026-11)."""
PATH = re.compile(r"^(/openai)?(/deployments/(?P<deployment>[^/]+)(/chat(/completions)?)?)?/?\Z")


class AzureHandler(BaseLLMProviderHandler):
    """An endpoint may be pasted as the portal shows it, with deployment and version; what is in it is used."""

    config_schema = schema(
        "azure_endpoint",
        azure_endpoint={**URL, "description": "address of the resource, such as https://NAME.openai.azure.com"},
        api_version={**TEXT, "description": f"version of the API; default: {DEFAULT_VERSION}"},
        azure_deployment={**TEXT, "description": "deployment of every model; default: the model's name"},
    )
    model_schema = schema(azure_deployment=TEXT, **openai.PARAMETERS)
    module = "aiops.llm.wire.openai"
    key = Variable("AZURE_OPENAI_API_KEY", "API key of the azure_ai provider", secret=True)
    needs_key = True
    settings = {
        "azure_endpoint": Variable("AZURE_OPENAI_ENDPOINT", "URL of the Azure OpenAI resource"),
        "api_version": Variable("OPENAI_API_VERSION", f"version of Azure's API; default: {DEFAULT_VERSION}"),
    }
    address = "azure_endpoint"
    required = ("azure_endpoint",)
    guessed_at = 5
    reports_finish = True
    one_call = {"parallel_tool_calls": False}
    can_echo = True
    own_tools = {**openai.OWN_TOOLS, "data_sources": ("data_sources", "datasources")}
    out_of_quota = "insufficient_quota"

    def validate_config(self) -> None:
        parts = urlsplit(str(self.config.get("azure_endpoint") or ""))
        query = parse_qs(parts.query)
        path = PATH.match(parts.path)
        if path is None or set(query) - {"api-version"} or len(query.get("api-version", [])) > 1:
            raise ValueError("azure_endpoint: only deployment and api-version may follow the host; remove the rest")
        for field, of_url in (
            ("azure_deployment", path["deployment"]),
            ("api_version", query.get("api-version", [None])[0]),
        ):
            if of_url and self.config.get(field, of_url) != of_url:
                raise ValueError(f"{field}: azure_endpoint says {of_url}: give one of them")
            if of_url:
                self.config[field] = of_url
        self.config["azure_endpoint"] = f"{parts.scheme}://{parts.netloc}"

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        from aiops.llm.wire.openai import make_azure

        deployment = self._deployment(model_name, kwargs)
        kwargs.pop("azure_deployment", None)
        return make_azure(
            model=model_name,
            azure_endpoint=self.url(),
            azure_deployment=deployment,
            api_version=self._version(),
            api_key=api_key or "none",  # without any, the client would look for an identity of the machine
            max_retries=0,
            stream_usage=True,
            **given(temperature=temperature),
            **kwargs,
        )

    async def aclose(self, model: Any) -> None:
        await model.root_async_client.close()

    def health(self, api_key: str) -> Health:
        return Health(f"{self.url()}/openai/models?api-version={self._version()}", {"api-key": api_key or "none"})

    def target(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        deployment, version = self._deployment(model_name, parameters), self._version()
        url = f"{self.url()}/openai/deployments/{deployment}{openai.CALLED}?api-version={version}"
        return {"url": url, "deployment": deployment, "api_version": version}

    def refused(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        return openai.refused(model_name)

    def _deployment(self, model_name: str, parameters: Mapping[str, Any]) -> str:
        return str(parameters.get("azure_deployment") or self.config.get("azure_deployment") or model_name)

    def _version(self) -> str:
        return str(self.config.get("api_version") or DEFAULT_VERSION)


HANDLER = AzureHandler
