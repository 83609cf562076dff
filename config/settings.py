"""Django's settings, derived from the frozen settings of this process."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext

from aiops import __version__, log
from aiops.events.redaction import Redactor
from config import env, plugins, sqlite

django_stubs_ext.monkeypatch()
SETTINGS = env.load()
log.configure(SETTINGS.log_level, redact=Redactor.from_settings(SETTINGS).redact)

SECRET_KEY = SETTINGS.secret_key.get_secret_value()
if not SECRET_KEY:
    sys.exit(
        "aiops cannot start:\n  - AIOPS_SECRET_KEY is not set: start with `aiops up`, or set 50 random characters."
    )
SECRET_KEY_FALLBACKS = SETTINGS.previous_secret_keys()
SESSION_ENGINE = "aiops.people.sessions"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *filter(None, map(str.strip, SETTINGS.allowed_hosts.split(",")))]
CSRF_TRUSTED_ORIGINS: list[str] = []
SECURE = False
if SETTINGS.public_url:
    _public = urlsplit(SETTINGS.public_url)
    ALLOWED_HOSTS.append(_public.hostname or "")
    CSRF_TRUSTED_ORIGINS.append(f"{_public.scheme}://{_public.netloc}")
    SECURE = _public.scheme == "https"

INSTALLED_APPS = [
    "config.apps.Config",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.apps.Unfold",
    "config.apps.Administration",
    "auditlog",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    *plugins.built_in(),
    *plugins.installed(),
]
MIDDLEWARE = [
    "aiops.web.readable.middleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "aiops.web.throttle.pages",
]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "aiops.web.navigation.items",
            ]
        },
    }
]
AUTH_USER_MODEL = "people.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"
APPEND_SLASH = False
AUDITLOG_USE_FK_STRING_REPRESENTATION = True
AUDITLOG_DISABLE_REMOTE_ADDR = True  # behind a proxy it is the proxy's
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "/static/"
LOGGING_CONFIG = None

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_NAME = "aiops_session"
CSRF_COOKIE_NAME = "aiops_csrf"
CSRF_FAILURE_VIEW = "aiops.web.pages.failures.csrf"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
DATA_UPLOAD_MAX_MEMORY_SIZE = SETTINGS.max_body_bytes
FILE_UPLOAD_MAX_MEMORY_SIZE = SETTINGS.max_body_bytes  # larger bodies are files, on disk

SQLITE = "django.db.backends.sqlite3"
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,  # who waits for the one writer asks again by chance: of 40 large batches at once, 10 s refused one
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
}
POSTGRESQL_OPTIONS: dict[str, Any] = {
    "pool": {"min_size": 0, "max_size": 6 if SETTINGS.checkpointer == "postgres" else 10, "timeout": 5, "max_idle": 60},
    "connect_timeout": 5,
    "tcp_user_timeout": 8_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "options": "-c lock_timeout=8s -c idle_in_transaction_session_timeout=30s",
}
"""At most ten connections per process, however many runs wait; waits for connections and locks are bounded."""


def environment_shown(request: object) -> list[str]:
    """Return the label of the environment and its colour, for the administration."""
    return [SETTINGS.environment, {"PROD": "danger", "NONPROD": "warning"}.get(SETTINGS.environment, "info")]


def database(url: str) -> dict[str, Any]:
    """Return Django's entry for a database: SQLite with WAL and immediate transactions, or PostgreSQL."""
    file = sqlite.file_of(url, SETTINGS.home)
    parsed: Any = dj_database_url.parse(url) if file is None else {"ENGINE": SQLITE, "NAME": sqlite.name_of(file)}
    options = SQLITE_OPTIONS if parsed["ENGINE"] == SQLITE else POSTGRESQL_OPTIONS
    return {
        **parsed,
        "OPTIONS": {**options, **parsed.get("OPTIONS", {})},
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # otherwise the pool returns connections that a server restart has cut
    }


DATABASES = {"default": database(SETTINGS.database_url.get_secret_value())}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["aiops.web.api.authentication.Token", "aiops.web.api.authentication.Session"],
    "DEFAULT_PERMISSION_CLASSES": ["aiops.web.api.authentication.MayWrite"],
    "DEFAULT_PARSER_CLASSES": ["aiops.web.api.parsing.StrictJSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["aiops.web.throttle.PerUser"],
    "EXCEPTION_HANDLER": "aiops.web.api.problems.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "NUM_PROXIES": 0,
}
TEAL = {
    "50": "#f0fdfa",
    "100": "#ccfbf1",
    "200": "#99f6e4",
    "300": "#5eead4",
    "400": "#2dd4bf",
    "500": "#14b8a6",
    "600": "#0f766e",
    "700": "#0f766e",
    "800": "#115e59",
    "900": "#134e4a",
    "950": "#042f2e",
}
"""The accent colour of our pages, for the administration."""
UNFOLD = {
    "SITE_TITLE": "aiops",
    "SITE_HEADER": "aiops",
    "SITE_SUBHEADER": "administration",
    "SITE_URL": "/",
    "COLORS": {"primary": TEAL},
    "SHOW_HISTORY": True,
    "ENVIRONMENT": "config.settings.environment_shown",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "aiops",
    "DESCRIPTION": "Ask, watch, stop and find again: conversations answered by workers.",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ApprovalStateEnum": "aiops.approvals.shapes.APPROVAL_STATES",
        "ApprovalItemStateEnum": "aiops.approvals.shapes.ITEM_STATES",
        "PolicyOutcomeEnum": "aiops.approvals.shapes.OUTCOMES",
        "RunStateEnum": "aiops.runs.states.CHOICES",
        "BatchStateEnum": "aiops.batches.models.Batch.State",
        "SecretKindEnum": "aiops.secrets.models.Secret.Kind",
        "StatusEnum": "aiops.tool_servers.models.MCPServer.Status",
        "PromptStatusEnum": "aiops.system_prompts.models.SystemPrompt.Status",
        "TrialStatusEnum": ["ok", "error"],
        "ToolStatusEnum": "aiops.tool_servers.models.Tool.Status",
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "aiops.web.api.schema.with_problems"],
    "AUTHENTICATION_WHITELIST": ["aiops.web.api.authentication.Token", "aiops.web.api.authentication.Session"],
}
