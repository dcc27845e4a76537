"""A mixed load at a steady pace, for SECONDS: pages, files, uploads, slow readers, WebSockets, clients that disconnect.

    soak_load.py PORT SECONDS STATIC_DIRECTORY

Prints how often each kind came to which end.
"""

import asyncio
import collections
import json
import os
import random
import sys
import time
from pathlib import Path

UPLOAD = bytes(2_000_000)
WEBSOCKET = ("GET /websocket HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
CHANGED = "changed.bin"


class Load:
    def __init__(self, port, seconds, static):
        self.port = port
        self.end = time.monotonic() + seconds
        self.static = Path(static)
        self.files = sorted(file.name for file in self.static.iterdir())
        self.results = collections.Counter()

    async def run(self):
        kinds = [(self.pages, 20), (self.files_of_all_sizes, 10), (self.new_connections, 4), (self.uploads, 3),
                 (self.slow_readers, 5), (self.websockets, 20), (self.leavers, 4), (self.changes, 1)]
        await asyncio.gather(*(self.repeat(kind) for kind, count in kinds for _ in range(count)))
        print(json.dumps(self.results))

    async def repeat(self, kind):
        # Not all start at the same moment.
        await asyncio.sleep(random.random())
        while time.monotonic() < self.end:
            try:
                await asyncio.wait_for(kind(), 60)
                self.results[f"{kind.__name__}: done"] += 1
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                self.results[f"{kind.__name__}: {type(error).__name__} {error}"[:80]] += 1
                await asyncio.sleep(0.2)

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port, limit=256 << 10)

    async def ask(self, connection, path, body=None):
        reader, writer = connection
        head = f"Host: example.test\r\nContent-Length: {len(body)}\r\n" if body else "Host: example.test\r\n"
        writer.write(f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\n{head}\r\n".encode())
        if body:
            writer.write(body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if not head.startswith("http/1.1 200"):
            raise ValueError(head.split("\r\n")[0])
        return int(head.split("content-length: ")[1].split("\r\n")[0])

    async def pages(self):
        connection = await self.connect()
        for _ in range(100):
            await connection[0].readexactly(await self.ask(connection, "/page"))
            await asyncio.sleep(0.1)
        connection[1].close()

    async def files_of_all_sizes(self):
        connection = await self.connect()
        for _ in range(20):
            await connection[0].readexactly(await self.ask(connection, f"/static/{random.choice(self.files)}"))
            await asyncio.sleep(0.2)
        connection[1].close()

    async def new_connections(self):
        connection = await self.connect()
        await connection[0].readexactly(await self.ask(connection, "/page"))
        connection[1].close()
        await asyncio.sleep(0.1)

    async def uploads(self):
        connection = await self.connect()
        await connection[0].readexactly(await self.ask(connection, "/upload", UPLOAD))
        connection[1].close()
        await asyncio.sleep(1)

    async def slow_readers(self):
        connection = await self.connect()
        left = await self.ask(connection, "/large")
        while left:
            left -= len(await connection[0].read(64 << 10))
            await asyncio.sleep(0.1)
        connection[1].close()

    async def websockets(self):
        reader, writer = await self.connect()
        writer.write(WEBSOCKET.encode())
        await reader.readuntil(b"\r\n\r\n")
        for number in range(20):
            writer.write(str(number).encode().rjust(100))
            await reader.readexactly(100)
            await asyncio.sleep(1)
        writer.close()

    async def leavers(self):
        _, writer = connection = await self.connect()
        await self.ask(connection, random.choice(["/large", "/static/large-0.bin"]))
        writer.transport.abort()
        await asyncio.sleep(0.3)

    async def changes(self):
        fresh = self.static / f".{CHANGED}"
        fresh.write_bytes(os.urandom(random.randrange(1, 300_000)))
        fresh.rename(self.static / CHANGED)
        await asyncio.sleep(2)


asyncio.run(Load(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]).run())
