"""The attacks. Each is a function that returns its clients; run as a program, this file runs one of them.

Usage: attacks.py NAME PORT SECONDS. Prints what came of the connections as JSON, after SECONDS or at SIGTERM.
"""

import json
import os
import socket
import sys
import time
from collections import Counter

import http2
from clients import Client, Crowd, Pace
from limits import raise_open_files

HOST = "Host: example.test\r\n"
LARGE_FILES = 200
# A short name needs few bytes, and the file is served at once.
SMALL_FILE = "/static/small.css"
UPLOAD = 10_000_000
READ_AT_ONCE = 4096
CREEP = 1024
BOMB_COOKIE = 3900
BOMB_REPEATS = 23
# Together less than server.max_header, so that the requests are served.
BOMB_REPEATS_ALLOWED = 4
BOMB_STREAMS = 128
FLOOD_FRAMES = 1_000_000


def get(path, headers=""):
    return f"GET {path} HTTP/1.1\r\n{HOST}{headers}\r\n".encode()


def large_headers(size):
    """Headers of this size in total, each of less than 16 KiB, which server.max_header allows."""
    count = -(-size // 15_000)
    return "".join(f"X-Padding-{number}: {'x' * (size // count - 16)}\r\n" for number in range(count))


def idle():
    """10,000 idle connections after one request for a small file each."""
    request = get(SMALL_FILE)
    return (Client(request) for _ in range(10_000))


def large_heads():
    """3,000 connections that sent a head of 75 KB once."""
    request = get(SMALL_FILE, large_headers(75_000))
    return (Client(request) for _ in range(3_000))


def slow_files():
    """1,000 slow readers of 200 files of 1 MiB."""
    for number in range(1_000):
        request = get(f"/static/large-{number % LARGE_FILES}.bin")
        yield Client(request, read_pace=Pace(READ_AT_ONCE, CREEP))


def slow_responses():
    """300 slow readers of a response of 8 MB."""
    request = get("/large")
    return (Client(request, read_pace=Pace(READ_AT_ONCE, CREEP)) for _ in range(300))


def uploads():
    """400 uploads of 10 MB at a time; a quarter of them completes, the others continue."""
    request = f"POST /upload HTTP/1.1\r\n{HOST}Content-Length: {UPLOAD}\r\n\r\n".encode() + bytes(UPLOAD)
    for number in range(400):
        rate = 700_000 if number % 4 == 0 else 64_000
        yield Client(request, send_pace=Pace(64_000, rate))


def full_queue():
    """1,300 requests with a head of 90 KB for an application that hangs: its queue holds 1,024."""
    request = get("/hang", large_headers(90_000))
    return (Client(request) for _ in range(1_300))


class Bomb(Client):
    """An HTTP/2 connection that references one large cookie repeatedly, and never opens its window."""

    def __init__(self, repeats):
        requests = b"".join(self.request(number, repeats) for number in range(BOMB_STREAMS))
        super().__init__(http2.start(0) + requests)
        self.frames = http2.Frames()
        self.responses = Counter({"no response": BOMB_STREAMS})

    @staticmethod
    def request(number, repeats):
        cookie = http2.indexed(http2.FIRST_DYNAMIC)
        first = http2.remembered(http2.COOKIE, b"c=" + b"x" * (BOMB_COOKIE - 2)) if number == 0 else cookie
        path = b"/page" if number % 2 else SMALL_FILE.encode()
        return http2.request(2 * number + 1, path, first + cookie * (repeats - 1))

    def read(self, data):
        for kind, flags, _, payload in self.frames.feed(data):
            if kind == http2.SETTINGS and not flags & http2.ACK:
                self.send_next(http2.SETTINGS_ACK)
            elif kind == http2.HEADERS:
                self.count(str(http2.status(payload)))
            elif kind == http2.RESET:
                self.responses["stream reset"] += 1
            elif kind == http2.GOAWAY:
                self.responses["GOAWAY"] += 1

    def count(self, response):
        self.responses[response] += 1
        self.responses["no response"] -= 1

    def statuses(self):
        return +self.responses


def header_bombs():
    """60 HTTP/2 connections with 128 requests that reference a cookie of 3.9 KB 23 times, and a window of 0."""
    return (Bomb(BOMB_REPEATS) for _ in range(60))


def allowed_bombs():
    """Like `header_bombs`, with 4 references to the cookie: 15.6 KB together, which server.max_header allows."""
    return (Bomb(BOMB_REPEATS_ALLOWED) for _ in range(60))


class Flood(Client):
    """An HTTP/2 connection that sends PING frames as fast as they are accepted, and reads none of the responses."""

    def receive(self):
        """Reads nothing: only the end of the connection matters."""
        if self.socket.recv(1, socket.MSG_PEEK) == b"":
            self.end("closed")


def floods():
    """500 HTTP/2 connections that send a million PING frames each, and read no response."""
    flood = http2.start(1 << 16) + http2.frame(http2.PING, 0, 0, bytes(8)) * FLOOD_FRAMES
    return (Flood(flood) for _ in range(500))


def websockets():
    """1,000 WebSockets, each of which sends one message of 1 KiB."""
    headers = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    # A masked frame of 1,024 bytes; the mask is 0.
    message = b"\x82\xfe\x04\x00" + bytes(4) + bytes(1024)
    return (Client(get("/websocket", headers), after_response=message) for _ in range(1_000))


ATTACKS = {attack.__name__.replace("_", "-"): attack for attack in (
    idle, large_heads, slow_files, slow_responses, uploads, full_queue, header_bombs, allowed_bombs, floods,
    websockets)}
# HTTP/2 with prior knowledge, without TLS.
OVER_HTTP2 = ("header-bombs", "allowed-bombs", "floods")


def main():
    name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    raise_open_files()
    # The program under test and the probe use the same cores, and have priority.
    os.nice(5)
    json.dump(Crowd(port).run(ATTACKS[name](), time.monotonic() + seconds), sys.stdout)


if __name__ == "__main__":
    main()
