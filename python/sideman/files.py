"""Which directories Sideman serves for this project, and below which URL paths."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.apps import apps
from django.utils.module_loading import import_string


def url_prefix(url):
    """Returns the path of STATIC_URL or MEDIA_URL that Sideman can serve, or None.

    The host of an absolute URL does not matter: a CDN asks this site for the same path. The path `/` would hide the
    application.
    """
    path = urlsplit(url or "").path
    return path if path.startswith("/") and path.endswith("/") and path.strip("/") else None


def static_root(settings):
    """Returns the directory of collected files as an absolute path, or None."""
    return os.path.abspath(settings.STATIC_ROOT) if settings.STATIC_ROOT else None


def media_root(settings):
    """Returns the directory of uploaded files as an absolute path, or None."""
    return os.path.abspath(settings.MEDIA_ROOT) if settings.MEDIA_ROOT else None


def static_roots(settings):
    """Returns pairs of a URL prefix and a directory, in the order in which Sideman looks for a file.

    With DEBUG, or without STATIC_ROOT, they are the directories that `collectstatic` would read: a changed file shows
    without a command.
    """
    prefix = url_prefix(settings.STATIC_URL)
    if prefix is None:
        return []
    collected = static_root(settings)
    if collected and not settings.DEBUG:
        return [(prefix, collected)]
    return [(prefix + subdirectory, directory) for subdirectory, directory in source_directories()]


def media_roots(settings):
    """Returns the pair of MEDIA_URL and MEDIA_ROOT in a list, or an empty list."""
    prefix, directory = url_prefix(settings.MEDIA_URL), media_root(settings)
    return [(prefix, directory)] if prefix and directory else []


def source_directories():
    """Yields STATICFILES_DIRS and the `static` directories of all applications, each with its subdirectory of
    STATIC_URL.
    """
    if not apps.is_installed("django.contrib.staticfiles"):
        return
    from django.contrib.staticfiles.finders import get_finders

    for finder in get_finders():
        # Finders that have no directories, such as those of compressors, write into STATIC_ROOT.
        for storage in getattr(finder, "storages", {}).values():
            if os.path.isdir(storage.location):
                subdirectory = (getattr(storage, "prefix", None) or "").strip("/")
                yield (f"{subdirectory}/" if subdirectory else ""), os.path.abspath(storage.location)


def is_collected_here(settings):
    """Whether `collectstatic` writes into STATIC_ROOT, and not to a bucket."""
    if not apps.is_installed("django.contrib.staticfiles"):
        return False
    from django.contrib.staticfiles.storage import StaticFilesStorage

    try:
        # The class alone: to make a storage may need credentials.
        storage = import_string(settings.STORAGES["staticfiles"]["BACKEND"])
    except (ImportError, KeyError):
        # Django says so when it needs the storage.
        return False
    return isinstance(storage, type) and issubclass(storage, StaticFilesStorage)


def needs_collecting(settings):
    """Whether STATIC_ROOT is served, and has nothing in it yet."""
    root = static_root(settings)
    if settings.DEBUG or root is None or url_prefix(settings.STATIC_URL) is None or not is_collected_here(settings):
        return False
    try:
        return next(Path(root).iterdir(), None) is None
    except FileNotFoundError:
        return True
    except OSError:
        # Sideman reports what is wrong with the directory.
        return False


def holds(outer, inner):
    """Whether one directory is the other, or is somewhere below it. Symbolic links are followed."""
    outer, inner = os.path.realpath(outer), os.path.realpath(inner)
    return os.path.commonpath([outer, inner]) == outer
