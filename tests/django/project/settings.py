"""A small but real project: admin, sessions, hashed static files, uploads.

Deployed it reads SECRET_KEY, ALLOWED_HOSTS and DATABASE_URL, as usual projects do. Where things lie in
the tests comes from the environment too, so that each has its own database: SITE_DATABASE (a sqlite
file), SITE_STATIC_ROOT (the collected files), SITE_DATA (a directory for what the pages leave behind).
"""

import os
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-the-tests-of-sideman-which-hold-no-secret")
# The tests choose among these, at random for the cache, and one by one for mistakes of deployments.
FEATURES = set(os.environ.get("SITE_FEATURES", "").split())
DEBUG = "debug" in FEATURES
# Never `*`: a health check that reached Django with a load balancer's Host would be a 400.
ALLOWED_HOSTS = ["example.test", *os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")]
if "any-host" in FEATURES:
    ALLOWED_HOSTS = ["*"]
# Like a deployment behind a proxy, which must set this header correctly.
if "no-proxy-header" not in FEATURES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = "secure-cookies" in FEATURES
SECURE_SSL_REDIRECT = "SECURE_SSL_REDIRECT" in os.environ

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if "locale" in FEATURES:
    MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
if "conditional" in FEATURES:
    MIDDLEWARE.insert(0, "django.middleware.http.ConditionalGetMiddleware")
if "gzip" in FEATURES:
    MIDDLEWARE.insert(0, "django.middleware.gzip.GZipMiddleware")
if "cache" in FEATURES:
    MIDDLEWARE.insert(0, "django.middleware.cache.UpdateCacheMiddleware")
    MIDDLEWARE.append("django.middleware.cache.FetchFromCacheMiddleware")
if "signed-sessions" in FEATURES:
    SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_SAVE_EVERY_REQUEST = "save-sessions" in FEATURES
CSRF_USE_SESSIONS = "session-csrf" in FEATURES
if "session-messages" in FEATURES:
    MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database():
    if url := os.environ.get("DATABASE_URL"):
        parts = urlsplit(url)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path[1:],
            "USER": unquote(parts.username),
            "PASSWORD": unquote(parts.password),
            "HOST": parts.hostname,
            "PORT": parts.port,
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DATABASE"],
        "OPTIONS": {"timeout": 20},
    }


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The tests log in often, so the password hash must be fast.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_REDIRECT_URL = "/private/"
USE_TZ = True

STATIC_URL = os.environ.get("SITE_STATIC_URL", "/static/")
STATIC_ROOT = os.environ.get("SITE_STATIC_ROOT", BASE_DIR.parent / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

SITE_DATA = os.environ.get("SITE_DATA", tempfile.gettempdir())
SENDFILE_ROOT = Path(SITE_DATA) / "protected"
SENDFILE_URL = "/protected"
MEDIA_URL = "/media/"
MEDIA_ROOT = os.environ.get("SITE_MEDIA_ROOT", BASE_DIR.parent / "media")
