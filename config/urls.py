"""Django's URLs: those that the installed features declare, and the administration."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.viewsets import ViewSetMixin

from aiops.apps import features, load
from aiops.people.pages.signing_in import AdminSignIn
from aiops.web.api.rows import Router
from aiops.web.pages import failures

admin.autodiscover()  # here, because only the web process needs the administration
for model in apps.get_app_config("django_celery_beat").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)  # editing these would allow running any task


def _api() -> list[URLPattern | URLResolver]:
    """Return all features' resources; views first, because a viewset's path may match theirs."""
    router = Router(use_regex_path=False)
    views: list[URLPattern | URLResolver] = []
    for feature in features():
        for prefix, dotted in feature.api.items():
            view = load(dotted)
            if issubclass(view, ViewSetMixin):
                router.register(prefix, view)
            else:
                views.append(path(f"api/{prefix}/", view.as_view(), name="api-" + prefix.replace(":", "-")))
    return [*views, path("api/", include(router.urls))]


def _streams() -> list[URLPattern]:
    """Return the paths of streams; Starlette serves GET, Django refuses the other methods."""
    declared = [one for feature in features() for one in feature.streams]
    return [path(one.lstrip("/").replace("{id}", "<uuid:pk>"), failures.only_get) for one in declared]


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    *_streams(),
    *_api(),
    path("admin/login/", AdminSignIn.as_view()),
    path("admin/", admin.site.urls),
    *(path("", include(feature.pages)) for feature in features() if feature.pages),
]

handler400 = failures.bad_request
handler403 = failures.forbidden
handler404 = failures.not_found
handler500 = failures.crashed
