"""Memory of an idle connection: of the process and of the kernel, in KiB.

A fresh process without a limit for each kind. What the first connections bring with them (buffers of the
workers, pages of the allocator) is left out: the cost is that of the connections between FEW and MANY.
"""

import contextlib
import socket
import ssl
import time

import cgroup
import http2
import report
import server
from attacks import SMALL_FILE, get, large_headers

FEW, MANY = 200, 1200
# Memory freed when a connection becomes idle may be returned a little later.
SETTLE_SECONDS = 3
LARGE_WINDOW = 1 << 20
STREAMS = 128


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def http1(port, headers=""):
    connection = connect(port)
    ask(connection, get(SMALL_FILE, headers))
    return connection


def ask(connection, request):
    connection.sendall(request)
    response = b""
    while b"\r\n\r\n" not in response:
        response += read(connection)
    head, _, body = response.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"it was answered with {head[:80]}")
    while len(body) < length:
        body += read(connection)


def read(connection):
    data = connection.recv(64 << 10)
    if not data:
        raise RuntimeError("it was closed")
    return data


def large_head(port):
    return http1(port, large_headers(75_000))


def tls(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = context.wrap_socket(connect(port))
    ask(connection, get(SMALL_FILE))
    return connection


def http2_requests(port, count):
    connection = connect(port)
    requests = (http2.request(2 * number + 1, SMALL_FILE.encode()) for number in range(count))
    connection.sendall(http2.start(LARGE_WINDOW) + b"".join(requests))
    frames = http2.Frames()
    waiting = count
    while waiting:
        for kind, flags, _, payload in frames.feed(read(connection)):
            if kind == http2.SETTINGS and not flags & http2.ACK:
                connection.sendall(http2.SETTINGS_ACK)
            if kind == http2.HEADERS and http2.status(payload) != 200:
                raise RuntimeError(f"it was answered with {http2.status(payload)}")
            if kind in (http2.DATA, http2.HEADERS) and flags & http2.END_STREAM:
                waiting -= 1
    return connection


KINDS = {
    "HTTP/1.1, one request": http1,
    "HTTP/1.1, after a head of 75 KB": large_head,
    "TLS 1.3, one request": tls,
    "HTTP/2, one request": lambda port: http2_requests(port, 1),
    f"HTTP/2, {STREAMS} requests at a time": lambda port: http2_requests(port, STREAMS),
}


def measure(program, work, application_port, settings):
    rows = []
    for name, kind in KINDS.items():
        few, many = (cost(kind, name, program, work, application_port, settings))
        rows.append([name, *(kibibytes(many[part] - few[part]) for part in few)])
        print(f"{rows[-1][0]}: {', '.join(f'{part} {value}' for part, value in zip(few, rows[-1][1:]))}", flush=True)
    print()
    report.print_table(["KiB for each idle connection", "PSS", "anon", "kernel", "sock"], rows)


def kibibytes(difference):
    return f"{difference / (MANY - FEW) / 1024:.2f}"


def cost(kind, name, program, work, application_port, settings):
    """Memory with few connections and with many."""
    settings = {"SIDEMAN_TLS__LISTEN": "127.0.0.1:0", "SIDEMAN_TLS__SELF_SIGNED": "true"} | settings
    group = cgroup.create(None)
    try:
        target = server.Server(program, group, work, application_port, settings)
        port = target.address("listening for TLS") if name.startswith("TLS") else target.port
        with contextlib.ExitStack() as stack:
            stack.callback(target.stop)
            few = held(stack, target, kind, port, FEW)
            many = held(stack, target, kind, port, MANY - FEW)
            return few, many
    finally:
        group.remove()


def held(stack, target, kind, port, count):
    for _ in range(count):
        stack.enter_context(contextlib.closing(kind(port)))
    time.sleep(SETTLE_SECONDS)
    memory, usage = target.memory(), target.cgroup.usage()
    return {"PSS": memory["Pss"], "anon": memory["Anonymous"], "kernel": usage.kernel, "sock": usage.sock}
