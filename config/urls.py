"""Where everything in Django is."""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.routers import SimpleRouter

from aiops.web.api.chat import Chat
from aiops.web.api.conversations import Conversations
from aiops.web.api.runs import Runs
from aiops.web.api.tokens import Tokens
from aiops.web.api.upkeep import RunJob
from aiops.web.pages import chat, docs, failures, sign_in

admin.site.site_header = admin.site.site_title = "aiops administration"
for model in apps.get_app_config("django_celery_beat").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)  # whoever edits these could have any task run

router = SimpleRouter(use_regex_path=False)
router.register("conversations", Conversations)
router.register("runs", Runs)
router.register("tokens", Tokens)

urlpatterns = [
    path("api/chat/", Chat.as_view(), name="chat"),
    path("api/upkeep/<str:name>/run/", RunJob.as_view(), name="upkeep-run"),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", docs.Docs.as_view(), name="docs"),
    path("api/runs/<uuid:pk>/events", failures.only_get),
    path("api/", include(router.urls)),
    path("admin/login/", sign_in.SignIn.as_view()),
    path("admin/", admin.site.urls),
    path("sign-in/", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", sign_in.SignOut.as_view(), name="sign-out"),
    path("", chat.page, name="home"),
    path("c/<uuid:conversation_id>/", chat.page, name="conversation"),
    path("sidebar/", chat.sidebar, name="sidebar"),
]

handler400 = failures.bad_request
handler403 = failures.forbidden
handler404 = failures.not_found
handler500 = failures.crashed
