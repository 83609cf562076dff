"""The pages of tool servers and of their tools."""

from aiops.tool_servers.pages import servers, tools

urlpatterns = [*servers.urlpatterns, *tools.urlpatterns]
