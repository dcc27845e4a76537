"""Other clients meanwhile: every 100 ms a new connection requests /healthz, and another one a file.

Usage: probe.py PORT LENGTH. The file is /static/probe.css, with LENGTH bytes. Runs until SIGTERM, for two
minutes at the most, and prints then a list of [when it began, what was asked, milliseconds, failure or null]. The
next probe does not wait for the one before.
"""

import asyncio
import json
import signal
import sys
import time

INTERVAL = 0.1
# A load balancer's health check waits for seconds too.
TIMEOUT = 2.0
MOST_SECONDS = 120
PATHS = ("/healthz", "/static/probe.css")

port, file_length = int(sys.argv[1]), int(sys.argv[2])
results = []


async def probe(path):
    begin = time.monotonic()
    failure = None
    try:
        failure = wrong(path, await asyncio.wait_for(ask(path), TIMEOUT))
    except (OSError, asyncio.TimeoutError) as error:
        failure = type(error).__name__
    results.append((begin, path, (time.monotonic() - begin) * 1000, failure))


async def ask(path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()


def wrong(path, response):
    """The fault of a response, or None."""
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return "status " + head[9:12].decode("latin-1") if head else "closed without a response"
    if path != "/healthz" and len(body) != file_length:
        return "incomplete body"
    return None


async def main():
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.call_later(MOST_SECONDS, stop.set)
    stopped = asyncio.create_task(stop.wait())
    running = set()
    due = time.monotonic()
    while not stop.is_set():
        for path in PATHS:
            task = asyncio.create_task(probe(path))
            running.add(task)
            task.add_done_callback(running.discard)
        due = max(due + INTERVAL, time.monotonic())
        await asyncio.wait([stopped], timeout=due - time.monotonic())
    await asyncio.gather(*running)
    json.dump(results, sys.stdout)


asyncio.run(main())
