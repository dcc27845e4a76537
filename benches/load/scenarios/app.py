"""The application of the scenarios: as little Python as possible around 50 ms of waiting."""

import time

PAGE = b"p" * (1 << 10)
LARGE = b"l" * (1 << 20)


def application(environ, start_response):
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/large":
        # Costs the workers only the time to pass it on.
        body = LARGE
    else:
        time.sleep(0.05)
        body = PAGE
    headers = [("Content-Type", "text/html"), ("Content-Length", str(len(body)))]
    if environ["PATH_INFO"] == "/cached":
        headers.append(("Cache-Control", "max-age=1"))
    start_response("200 OK", headers)
    return [body]
