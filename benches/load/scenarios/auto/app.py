"""The application of the scenario `auto`: a view that waits, as WSGI and as ASGI."""

import asyncio
import os
import time

SECONDS = float(os.environ["VIEW_SECONDS"])
PAGE = b"p" * (1 << 10)
FIELDS = [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))]


def application(environ, start_response):
    time.sleep(SECONDS)
    start_response("200 OK", FIELDS)
    return [PAGE]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    await asyncio.sleep(SECONDS)
    fields = [(name.lower().encode(), value.encode()) for name, value in FIELDS]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": PAGE})
