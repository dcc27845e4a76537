"""Pages that show the received request, and pages that stress the proxy."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import etag
from django_sendfile.backends import nginx, xsendfile

# Byte i of a download is i % 251: a missing, repeated or moved part is noticed.
PATTERN = bytes(range(251))
# Seconds until a stream stops waiting for its release.
PATIENCE_SECONDS = 20


def index(request):
    """A page with a stylesheet under its hashed name."""
    return render(request, "index.html")


@csrf_exempt
def echo(request):
    """Shows the received request. Reads the body itself: `request.body` has a size limit."""
    digest, length = hashlib.sha256(), 0
    while piece := request.read(65536):
        digest.update(piece)
        length += len(piece)
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "query": request.META["QUERY_STRING"],
            "secure": request.is_secure(),
            "url": request.build_absolute_uri(),
            "target": target(request),
            "meta": {key: value for key, value in request.META.items() if isinstance(value, str)},
            "length": length,
            "sha256": digest.hexdigest(),
        },
        headers={"X-Process": os.getpid()},
    )


def health(request):
    """Whether the site is ready: its database responds, and a test has not said otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    is_ready = "ready" in request.GET and not (Path(settings.SITE_DATA) / "unready").exists()
    return HttpResponse("ready" if is_ready else "not ready", status=200 if is_ready else 503)


@csrf_exempt
def upload(request):
    """Receives a form with files."""
    return JsonResponse(
        {
            "fields": request.POST.dict(),
            "files": [
                {
                    "name": file.name,
                    "type": file.content_type,
                    "size": file.size,
                    "sha256": hashlib.sha256(file.read()).hexdigest(),
                }
                for file in request.FILES.values()
            ],
        }
    )


@csrf_exempt
def keep(request):
    """Stores an uploaded file, and responds with its URL."""
    kept = default_storage.save(request.FILES["file"].name, request.FILES["file"])
    return JsonResponse({"url": default_storage.url(kept)})


def download(request, size):
    """This number of bytes of the pattern, with a Content-Length."""
    body = (PATTERN * (size // len(PATTERN) + 1))[:size]
    return HttpResponse(body, content_type="application/octet-stream")


def stream(request, token):
    """Sends its first line at once, its last when `/release/<token>/` was requested."""
    return StreamingHttpResponse(
        until_released(request, token, "{}\n"), content_type="text/plain"
    )


def events(request, token):
    """The same as server-sent events."""
    response = StreamingHttpResponse(
        until_released(request, token, "data: {}\n\n"), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-cache"
    return response


def release(request, token):
    """Lets a stream end, whichever process it runs in."""
    released(token).touch()
    return HttpResponse(status=204)


def slow(request):
    """Responds after `?ms=` milliseconds."""
    time.sleep(int(request.GET["ms"]) / 1000)
    return HttpResponse("done\n", content_type="text/plain")


@etag(lambda request: '"unchanged"')
def constant(request):
    """Never changes, and is immutable for caches."""
    return HttpResponse("constant\n", content_type="text/plain")


@login_required
def private(request):
    """For logged-in users."""
    return HttpResponse(f"hello {request.user.get_username()}\n", content_type="text/plain")


@login_required
def send(request, name):
    """Has the server in front send a file, by django-sendfile2: the file's length is announced,
    and no byte of it comes. `?literal` is its other backend: the path in the file system."""
    file = Path(settings.SITE_DATA) / "protected" / name
    backend = xsendfile if "literal" in request.GET else nginx
    response = backend.sendfile(request, file)
    response["Content-Length"] = file.stat().st_size
    response["Content-Disposition"] = content_disposition_header(True, name)
    response.set_cookie("sent", "1")
    response.set_cookie("again", "1")
    return response


def target(request):
    """The bytes of the request line, for which every server has another name."""
    if not is_asgi(request):
        return request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    query = request.scope["query_string"]
    return (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")


def is_asgi(request):
    return hasattr(request, "scope")


def until_released(request, token, line):
    # Under ASGI Django reads an ordinary generator to its end before it sends a byte.
    return released_async(token, line) if is_asgi(request) else released_sync(token, line)


def released_sync(token, line):
    yield line.format("first")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not released(token).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody released {token}")
        time.sleep(0.01)
    yield line.format("last")


async def released_async(token, line):
    yield line.format("first")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not released(token).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody released {token}")
        await asyncio.sleep(0.01)
    yield line.format("last")


def released(token):
    return Path(settings.SITE_DATA) / f"{token}.released"
