"""Purges pages from the cache of the Sideman that runs beside this process. Needs only the standard library."""

import http.client
import json
import os
from urllib.parse import urlsplit

from .sources import setting

ADMIN = "127.0.0.1:9180"


class PurgeError(Exception):
    """Sideman could not be asked, or has refused."""


def purge(*urls, tags=(), everything=False, soft=False, admin=None, timeout=5):
    """Purges stored responses, and returns how many.

    `urls` are those of pages, such as `request.build_absolute_uri("/blog/")`; one that ends with `/*` means all pages
    below. `tags` are those that responses have in Surrogate-Key, xkey, Cache-Tag or Cache-Groups. `soft` makes the
    responses stale instead of removing them. `admin` is Sideman's admin listener; without it SIDEMAN_ADMIN, else
    127.0.0.1:9180.
    """
    address = admin or address_of(os.environ)
    mode = {"Sideman-Purge": "soft"} if soft else {}
    orders = []
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path:
            raise ValueError(f"{url!r}: write the URL of a page, such as https://example.org/blog/")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        orders.append((target, {"Host": parts.netloc, **mode}))
    tags = [tags] if isinstance(tags, str) else list(tags)
    if any(not tag or not tag.isascii() or not tag.isprintable() or " " in tag for tag in tags):
        raise ValueError("a tag has visible ASCII characters without spaces")
    if tags:
        orders.append(("/", {"Surrogate-Key": " ".join(tags), **mode}))
    if everything:
        orders.append(("/", {"Sideman-Purge": "all, soft" if soft else "all"}))
    return sum(_send(address, target, headers, timeout) for target, headers in orders)


def address_of(environ):
    """Returns the address of the admin listener."""
    found = setting(environ, "admin", "listen", "SIDEMAN_ADMIN") or ADMIN
    if found == "off":
        raise PurgeError("admin.listen is off, so Sideman cannot be asked: set it")
    host, _, port = found.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"{host}:{port}"


def _send(address, target, headers, timeout):
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("PURGE", target, headers=headers)
        response = connection.getresponse()
        body = response.read(4096)
    except (OSError, http.client.HTTPException) as error:
        raise PurgeError(f"PURGE at http://{address}/: {error}") from error
    finally:
        connection.close()
    try:
        if response.status == 200:
            return json.loads(body)["purged"]
    except (ValueError, KeyError, TypeError):
        pass
    text = body.decode(errors="replace").strip()
    raise PurgeError(f"PURGE at http://{address}/: the response was {response.status}: {text}")
