"""Where everything in Django is."""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.routers import SimpleRouter

from aiops.web.api.batches import Batches
from aiops.web.api.chat import Chat
from aiops.web.api.conversations import Conversations
from aiops.web.api.runs import Runs
from aiops.web.api.schedules import Schedules
from aiops.web.api.tokens import Tokens
from aiops.web.api.tool_servers import Providers, ToolServers
from aiops.web.api.upkeep import JobRuns, Jobs, Retention, RunJob
from aiops.web.api.webhooks import WebhookKey, Webhooks
from aiops.web.pages import batches, chat, docs, failures, schedules, sign_in, tool_servers, upkeep, webhooks

admin.autodiscover()  # here, for only the web process has the administration
for model in apps.get_app_config("django_celery_beat").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)  # whoever edits these could have any task run

router = SimpleRouter(use_regex_path=False)
router.register("conversations", Conversations)
router.register("runs", Runs)
router.register("batches", Batches)
router.register("schedules", Schedules)
router.register("mcp-servers", ToolServers)
router.register("tokens", Tokens)
router.register("webhooks", Webhooks)

urlpatterns = [
    path("api/chat/", Chat.as_view(), name="chat"),
    path("api/providers/health/", Providers.as_view(), name="providers-health"),
    path("api/upkeep/", Jobs.as_view(), name="upkeep-jobs"),
    path("api/upkeep/retention/preview/", Retention.as_view(), name="retention-preview"),
    path("api/upkeep/<str:name>/runs/", JobRuns.as_view(), name="upkeep-runs"),
    path("api/upkeep/<str:name>/run/", RunJob.as_view(), name="upkeep-run"),
    path("api/webhooks/key/", WebhookKey.as_view(), name="webhook-key"),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", docs.Docs.as_view(), name="docs"),
    path("api/runs/<uuid:pk>/events", failures.only_get),
    path("api/batches/<uuid:pk>/events/", failures.only_get),
    path("api/batches/<uuid:pk>/results/", failures.only_get),
    path("api/batches/<uuid:pk>/errors/", failures.only_get),
    path("api/", include(router.urls)),
    path("admin/login/", sign_in.SignIn.as_view()),
    path("admin/", admin.site.urls),
    path("sign-in/", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", sign_in.SignOut.as_view(), name="sign-out"),
    path("", chat.page, name="home"),
    path("c/<uuid:conversation_id>/", chat.page, name="conversation"),
    path("batches/", batches.list_, name="batches"),
    path("batches/<uuid:batch_id>/", batches.page, name="batch"),
    path("batches/<uuid:batch_id>/items/", batches.items, name="batch-items"),
    path("schedules/", schedules.list_, name="schedules"),
    path("schedules/<uuid:schedule_id>/", schedules.page, name="schedule"),
    path("webhooks/", webhooks.list_, name="webhooks"),
    path("tool-servers/", tool_servers.list_, name="tool-servers"),
    path("tool-servers/<uuid:server_id>/", tool_servers.page, name="tool-server"),
    path("upkeep/", upkeep.list_, name="upkeep"),
    path("upkeep/<str:name>/", upkeep.page, name="upkeep-job"),
    path("sidebar/", chat.sidebar, name="sidebar"),
]

handler400 = failures.bad_request
handler403 = failures.forbidden
handler404 = failures.not_found
handler500 = failures.crashed
