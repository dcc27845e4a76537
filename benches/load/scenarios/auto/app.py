"""The application of the scenario `auto` and of those in `limit_over_time`: a view that waits, as WSGI and as ASGI. The
view /slow waits 5 s. As long as the file SLOW_FILE exists, every view waits ten times as long."""

import asyncio
import os
import time

SECONDS = float(os.environ["VIEW_SECONDS"])
SLOW_FILE = os.environ["SLOW_FILE"]
PAGE = b"p" * (1 << 10)
FIELDS = [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))]


def seconds(path):
    usual = 5.0 if path == "/slow" else SECONDS
    return usual * 10 if os.path.exists(SLOW_FILE) else usual


def application(environ, start_response):
    time.sleep(seconds(environ["PATH_INFO"]))
    start_response("200 OK", FIELDS)
    return [PAGE]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    await asyncio.sleep(seconds(scope["path"]))
    fields = [(name.lower().encode(), value.encode()) for name, value in FIELDS]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": PAGE})
