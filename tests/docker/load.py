"""Clients with keep-alive connections that send requests repeatedly, and count failures.

Usage: load.py HOST:PORT KIND...: a client for each KIND, which is page, static, post, slow or
upload. They ask until SIGTERM comes, or, after SIGUSR1, until nobody listens at the address any more:
that is no failure then, and everything else is, always. Prints "running" when each has had an
answer, at the end a line with what was counted, and failures; the status is 1 if there was one.
"""

import hashlib
import http.client
import json
import random
import signal
import socket
import sys
import threading
import time

HOST = "example.test"
host, _, port = sys.argv[1].partition(":")
# Resolved once: the name of an ended container is unknown.
ADDRESS = (socket.gethostbyname(host), int(port))

PATIENCE = 60

stop = threading.Event()
ending = threading.Event()
lock = threading.Lock()
counts = {}
longest = {}
closing = 0
failures = []


class Gone(Exception):
    """Nothing listens at the port."""


def connect():
    connection = http.client.HTTPConnection(*ADDRESS, timeout=60)
    try:
        connection.connect()
    except OSError as error:
        raise Gone(str(error)) from error
    return connection


def ask(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, {"Host": HOST, **(headers or {})})
    response = connection.getresponse()
    return response, response.read()


def page(connection):
    response, body = ask(connection, "GET", "/")
    return response, response.status == 200 and b"It works" in body


def static(connection):
    response, body = ask(connection, "GET", "/static/admin/css/base.css")
    return response, response.status == 200 and b"body {" in body


def post(connection):
    sent = random.randbytes(random.choice((10, 5_000, 100_000)))
    response, body = ask(connection, "POST", "/echo", sent)
    digest = hashlib.sha256(sent).hexdigest()
    return response, response.status == 200 and json.loads(body)["sha256"] == digest


def slow(connection):
    response, body = ask(connection, "GET", "/slow/?ms=1500")
    return response, response.status == 200 and body == b"done\n"


def upload(connection):
    sent = random.randbytes(6 << 20)
    response, body = ask(connection, "POST", "/echo", sent)
    digest = hashlib.sha256(sent).hexdigest()
    return response, response.status == 200 and json.loads(body)["sha256"] == digest


def fail(kind, what):
    with lock:
        failures.append(f"{kind}: {what}")


def client(kind, one, answered):
    """One client; it opens a new connection whenever its connection was closed."""
    global closing
    while not stop.is_set():
        try:
            connection = connect()
        except Gone as gone:
            if not ending.is_set():
                fail(kind, f"cannot connect: {gone}")
            return
        try:
            while not stop.is_set():
                begin = time.monotonic()
                response, is_well = one(connection)
                took = time.monotonic() - begin
                if not is_well:
                    fail(kind, f"status {response.status} after {took:.1f} s")
                with lock:
                    counts[kind] = counts.get(kind, 0) + 1
                    longest[kind] = max(longest.get(kind, 0), took)
                answered.set()
                if response.headers.get("Connection", "").lower() == "close":
                    with lock:
                        closing += 1
                    break
        except (OSError, http.client.HTTPException, ValueError) as error:
            fail(kind, f"{type(error).__name__}: {error}")
        finally:
            connection.close()


def settled(running):
    """Waits for a while until all clients have ended; returns whether they have."""
    deadline = time.monotonic() + PATIENCE
    for thread, _ in running:
        thread.join(max(0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread, _ in running)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: ending.set())
    running = []
    for kind in sys.argv[2:]:
        answered = threading.Event()
        arguments = (kind, globals()[kind], answered)
        thread = threading.Thread(target=client, args=arguments, daemon=True)
        thread.start()
        running.append((thread, answered))
    if all(answered.wait(PATIENCE) for _, answered in running):
        print("running", flush=True)
    else:
        fail("start", f"not every client had an answer within {PATIENCE} s")
        stop.set()
    # In short waits, because signals are handled between them.
    while not stop.wait(0.1) and any(thread.is_alive() for thread, _ in running):
        pass
    if not settled(running):
        fail("end", f"a client still waits after {PATIENCE} s")
    print(json.dumps({
        "answered": counts,
        "longest": {kind: round(seconds, 2) for kind, seconds in longest.items()},
        "told to close": closing,
        "failed": len(failures),
    }))
    for failure in failures[:10]:
        print(f"FAILED: {failure}")
    sys.exit(1 if failures else 0)


main()
