"""System checks of settings that Sideman makes useless, dangerous or necessary.

`manage.py check` runs those that are wrong everywhere, `manage.py check --deploy` all of them.
"""

import os

from django.conf import settings
from django.core.checks import Warning

from . import files

TAG = "sideman"
SCHEME = ("HTTP_X_FORWARDED_PROTO", "https")
_SET_SCHEME = f"Set SECURE_PROXY_SSL_HEADER = {SCHEME!r}. Sideman always sends X-Forwarded-Proto."


def proxy_header_is_sent(app_configs, **kwargs):
    value = settings.SECURE_PROXY_SSL_HEADER
    if value is None or tuple(value) == SCHEME or _arrives(value[0]):
        return []
    return [
        Warning(
            f"SECURE_PROXY_SSL_HEADER is {tuple(value)!r}, which Sideman never sends: Django treats every request as "
            "http.",
            hint=_SET_SCHEME,
            id="sideman.W002",
        )
    ]


def uploads_are_apart(app_configs, **kwargs):
    static, media = files.static_root(settings), files.media_root(settings)
    if not static or not media or not (files.holds(static, media) or files.holds(media, static)):
        return []
    return [
        Warning(
            f"MEDIA_ROOT ({media}) and STATIC_ROOT ({static}) share files: an uploaded page below STATIC_URL can act "
            "in the name of the site.",
            hint="Use two directories, neither inside the other.",
            id="sideman.W007",
        )
    ]


def proxy_header_is_set(app_configs, **kwargs):
    if settings.SECURE_PROXY_SSL_HEADER is not None:
        return []
    if settings.SECURE_SSL_REDIRECT:
        effect = "SECURE_SSL_REDIRECT may redirect https requests to https without end."
    else:
        effect = "Django may treat https requests as http, and refuse their forms."
    return [Warning(f"SECURE_PROXY_SSL_HEADER is not set: {effect}", hint=_SET_SCHEME, id="sideman.W001")]


def forwarded_host_is_unused(app_configs, **kwargs):
    if not settings.USE_X_FORWARDED_HOST or _arrives("HTTP_X_FORWARDED_HOST"):
        return []
    return [
        Warning(
            "USE_X_FORWARDED_HOST is True, but Sideman never sends X-Forwarded-Host: its Host is the client's.",
            hint="Remove USE_X_FORWARDED_HOST. If a CDN changes Host, configure it to pass the client's.",
            id="sideman.W003",
        )
    ]


def hosts_are_named(app_configs, **kwargs):
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS contains '*': clients choose the host in links that Django makes, such as those of "
            "password resets.",
            hint="Name the hosts of the site. Health checks need no '*': Sideman answers them for every host.",
            id="sideman.W004",
        )
    ]


def static_root_is_set(app_configs, **kwargs):
    if settings.STATIC_ROOT or not files.is_collected_here(settings):
        return []
    return [
        Warning(
            "STATIC_ROOT is not set, so collectstatic cannot collect the static files.",
            hint="Set STATIC_ROOT = BASE_DIR / 'staticfiles', and run collectstatic when you deploy.",
            id="sideman.W005",
        )
    ]


def static_url_is_a_path(app_configs, **kwargs):
    if not files.is_collected_here(settings) or files.url_prefix(settings.STATIC_URL):
        return []
    return [
        Warning(
            f"STATIC_URL is {settings.STATIC_URL!r}, which has no path such as /static/: Sideman serves no static "
            "files.",
            hint="Set STATIC_URL = 'static/', or the URL of a CDN with that path.",
            id="sideman.W006",
        )
    ]


def _arrives(variable):
    """Whether the user has told Sideman to pass on this header, which only a trusted proxy can send then."""
    header = variable.removeprefix("HTTP_").replace("_", "-").lower()
    return header in os.environ.get("SIDEMAN_SERVER__TRUSTED_HEADERS", "").lower().replace(" ", "").split(",")


# What is wrong wherever the project runs.
ALWAYS = [proxy_header_is_sent, uploads_are_apart]
# What a fresh project may still lack.
DEPLOY = [
    proxy_header_is_set,
    forwarded_host_is_unused,
    hosts_are_named,
    static_root_is_set,
    static_url_is_a_path,
]
