"""The application behind Sideman: one process whose responses depend on the path; it prints its port at the start.

    /page        200 with a short body
    /large       200 with 8 MB
    /upload      200 once the whole body was read
    /hang        never answered
    /websocket   upgraded; sends back every byte
"""

import asyncio
import base64
import hashlib
import socket
import sys

from clients import SEGMENT
from limits import raise_open_files

LARGE = bytes(8_000_000)
PIECE = 64 << 10
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def serve(reader, writer):
    try:
        while head := await read_head(reader):
            path, headers = head
            if path == "/websocket":
                await echo(reader, writer, headers)
                return
            if path == "/hang":
                await reader.read()
                return
            await discard(reader, int(headers.get("content-length", 0)))
            await respond(writer, LARGE if path == "/large" else b"done\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def read_head(reader):
    """Path and headers; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in fields if field)
    return line.split(" ")[1], {name.lower(): value.strip() for name, _, value in pairs}


async def discard(reader, length):
    while length:
        piece = await reader.read(min(length, PIECE))
        if not piece:
            raise ConnectionError("the request was incomplete")
        length -= len(piece)


async def respond(writer, body):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode())
    for start in range(0, len(body), PIECE):
        writer.write(body[start:start + PIECE])
        await writer.drain()


async def echo(reader, writer, headers):
    key = headers.get("sec-websocket-key", "") + WEBSOCKET_GUID
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()


async def main():
    raise_open_files()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096, limit=256 << 10)
    listener = server.sockets[0]
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    print(listener.getsockname()[1], flush=True)
    # Until the other side closes the connection or ends.
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
