"""The pages of tool servers and of their tools."""

from aiops.tool_servers.pages import credentials, servers, tools

urlpatterns = [*servers.urlpatterns, *tools.urlpatterns, *credentials.urlpatterns]
