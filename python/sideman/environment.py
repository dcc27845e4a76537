"""The variables of Sideman that follow from the project's settings. What the user has set wins."""

from . import files
from .sources import is_set


class Unrepresentable(Exception):
    """A setting of the project cannot be written as a variable."""


def variables(settings, environ, listen=None):
    """Returns the variables to add to `environ`. `listen` is the address that the user asks for on the command line."""
    found = {}
    if listen:
        found["SIDEMAN_LISTEN"] = listen
    elif settings.DEBUG and not is_set(environ, "server", "listen", "SIDEMAN_LISTEN") and "PORT" not in environ:
        # As runserver does: error pages of DEBUG show source code, so only this machine may see them. PORT is what
        # platforms set, and Sideman listens there.
        found["SIDEMAN_LISTEN"] = "127.0.0.1:8000"
    if not is_set(environ, "static", "roots", "SIDEMAN_STATIC"):
        if roots := files.static_roots(settings):
            found["SIDEMAN_STATIC"] = _list("STATIC_ROOT or STATICFILES_DIRS", roots)
    if not is_set(environ, "media", "roots", "SIDEMAN_MEDIA"):
        if roots := files.media_roots(settings):
            found["SIDEMAN_MEDIA"] = _list("MEDIA_ROOT", roots)
    if settings.DEBUG and not is_set(environ, "static", "max_age"):
        # A browser that keeps a stylesheet for a minute hides what was just edited.
        found["SIDEMAN_STATIC__MAX_AGE"] = "0s"
    if is_set(environ, "health", "application") and not _names_a_host(environ):
        if host := next((host.lstrip(".") for host in settings.ALLOWED_HOSTS if host not in ("*", "")), None):
            found["SIDEMAN_HEALTH__APPLICATION_HOST"] = host
    return found


def _names_a_host(environ):
    """Whether Sideman knows a host for which Django answers its health checks."""
    keys = [("health", "application_host"), ("server", "canonical_host"), ("server", "allowed_hosts")]
    return any(is_set(environ, *key) for key in keys)


def _list(setting, roots):
    for _, directory in roots:
        if "," in directory:
            raise Unrepresentable(
                f"{setting}: the directory {directory!r} has a comma in its name, which separates directories in "
                "SIDEMAN_STATIC and SIDEMAN_MEDIA: rename it, or write static.roots and media.roots into the file "
                "that SIDEMAN_CONFIG names"
            )
    return ",".join(f"{prefix}={directory}" for prefix, directory in roots)
