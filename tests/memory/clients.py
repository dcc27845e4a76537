"""Many connections in one process: their requests, pace and results."""

import collections
import errno
import selectors
import signal
import socket
import time

# The connections come from these addresses in turn, so that a limit per address meets several clients.
SOURCES = [f"127.0.1.{number}" for number in range(1, 11)]
# The maximum number of connections being opened at the same time.
MOST_OPENING = 200
# How often the paced connections send and read.
TICK = 0.1
PIECE = 256 << 10
SMALL_BUFFER = 4096
# As over Ethernet: with the loopback's segments of 64 KiB the kernel would buffer far more for each connection.
SEGMENT = 1448


class Pace:
    """The number of bytes that may be sent or read so far: some at once, the rest at a rate."""

    def __init__(self, at_once, rate):
        self.allowed = at_once
        self.rate = rate

    def tick(self, seconds):
        self.allowed += self.rate * seconds


class Client:
    """One connection with one request on HTTP/1.1. Without a pace it sends and reads as fast as possible."""

    def __init__(self, request, send_pace=None, read_pace=None, after_response=b""):
        self.outgoing = memoryview(request)
        self.after_response = after_response
        self.send_pace = send_pace
        self.read_pace = read_pace
        self.socket = None
        self.state = "connecting"
        self.begin = b""
        self.status = None
        self.received = 0

    def is_paced(self):
        return self.send_pace is not None or self.read_pace is not None

    def connect(self, source, port):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        # Many connections of one address: the kernel chooses a port that is free for this destination.
        self.socket.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        if self.read_pace is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.socket.bind((source, 0))
        result = self.socket.connect_ex(("127.0.0.1", port))
        if result not in (0, errno.EINPROGRESS):
            self.end("not connected")

    def connected(self):
        refused = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            self.end("not connected")
        else:
            self.state = "open"

    def tick(self, seconds):
        for pace in (self.send_pace, self.read_pace):
            if pace is not None:
                pace.tick(seconds)

    def move(self):
        """Sends and reads without blocking."""
        try:
            self.send()
            self.receive()
        except BlockingIOError:
            pass
        except OSError:
            self.end("reset")

    def send(self):
        while self.outgoing and self.state == "open":
            most = PIECE if self.send_pace is None else int(self.send_pace.allowed)
            if most <= 0:
                return
            try:
                sent = self.socket.send(self.outgoing[:most])
            except BlockingIOError:
                return
            if self.send_pace is not None:
                self.send_pace.allowed -= sent
            self.outgoing = self.outgoing[sent:]

    def receive(self):
        while self.state == "open":
            most = PIECE if self.read_pace is None else min(PIECE, int(self.read_pace.allowed))
            if most <= 0:
                return
            data = self.socket.recv(most)
            if not data:
                self.end("closed")
                return
            if self.read_pace is not None:
                self.read_pace.allowed -= len(data)
            self.received += len(data)
            self.read(data)

    def read(self, data):
        if self.status is None:
            self.begin += data[:12 - len(self.begin)]
            if len(self.begin) == 12:
                self.status = self.begin[9:].decode("latin-1")
                self.send_next(self.after_response)

    def send_next(self, data):
        if data:
            self.outgoing = memoryview(bytes(self.outgoing) + data)
            self.send()

    def statuses(self):
        return {self.status or "no response": 1}

    def wants_to_send(self):
        return bool(self.outgoing) and self.send_pace is None

    def end(self, state):
        self.state = state
        self.socket.close()


class Crowd:
    """Runs clients until a deadline, or until SIGTERM."""

    def __init__(self, port):
        self.port = port
        self.selector = selectors.EpollSelector()
        self.clients = []
        self.opening = 0
        self.paced = []
        self.is_stopped = False
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.is_stopped = True

    def run(self, clients, deadline):
        waiting = iter(clients)
        last_tick = time.monotonic()
        while not self.is_stopped and (now := time.monotonic()) < deadline:
            waiting = self.open_more(waiting)
            for key, _ in self.selector.select(max(0, last_tick + TICK - now)):
                self.ready(key.data)
            now = time.monotonic()
            if now - last_tick >= TICK:
                for client in self.paced:
                    client.tick(now - last_tick)
                    self.progress(client)
                last_tick = now
        unopened = 0 if waiting is None else sum(1 for _ in waiting)
        self.finish()
        return self.summary(unopened)

    def open_more(self, waiting):
        """Connects up to MOST_OPENING at the same time. None once all have been opened."""
        while waiting is not None and self.opening < MOST_OPENING:
            client = next(waiting, None)
            if client is None:
                return None
            client.connect(SOURCES[len(self.clients) % len(SOURCES)], self.port)
            self.clients.append(client)
            if client.state == "connecting":
                self.opening += 1
                self.selector.register(client.socket, selectors.EVENT_WRITE, client)
        return waiting

    def ready(self, client):
        if client.state == "connecting":
            self.opening -= 1
            self.selector.unregister(client.socket)
            client.connected()
            if client.state == "open":
                self.start(client)
            return
        self.progress(client)

    def start(self, client):
        if client.is_paced():
            self.paced.append(client)
            client.move()
        else:
            self.selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)

    def progress(self, client):
        if client.state != "open":
            return
        # A closed socket cannot be unregistered by its number any more.
        number = client.socket.fileno()
        client.move()
        if client.is_paced():
            return
        if client.state != "open":
            self.selector.unregister(number)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.wants_to_send() else 0)
        if self.selector.get_key(number).events != events:
            self.selector.modify(number, events, client)

    def finish(self):
        for client in self.clients:
            if client.state in ("open", "connecting"):
                client.state = "open at the end" if client.state == "open" else "not connected"
                client.socket.close()

    def summary(self, unopened):
        statuses = collections.Counter()
        for client in self.clients:
            if client.state != "not connected":
                statuses.update(client.statuses())
        states = collections.Counter(client.state for client in self.clients)
        states["not connected"] += unopened
        return {
            "connections": +states,
            "responses": statuses,
            "received": sum(client.received for client in self.clients),
        }
