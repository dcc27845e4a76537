"""The part of HTTP/2 for a client that only sends requests: frames, and HPACK without Huffman coding."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
# Indices of HPACK's static table.
AUTHORITY, GET, PATH, HTTP, COOKIE = 1, 2, 4, 6, 32
FIRST_DYNAMIC = 62
# The statuses of the static table, from this index on; others are literals with this name.
STATUS = 8
STATUSES = (200, 204, 206, 304, 400, 404, 500)
# Huffman's code of the digits: 0 to 2 have 5 bits, 3 to 9 have 6.
DIGITS = {f"{digit:05b}": digit for digit in range(3)} | {f"{digit + 22:06b}": digit for digit in range(3, 10)}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


SETTINGS_ACK = frame(SETTINGS, ACK, 0)


def start(initial_window):
    """The first bytes of a client. The window is that of each response, and is added to the connection's;
    responses use no dynamic table.
    """
    values = struct.pack(">HIHI", HEADER_TABLE_SIZE, 0, INITIAL_WINDOW_SIZE, initial_window)
    update = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", initial_window)) if initial_window else b""
    return PREFACE + frame(SETTINGS, 0, 0, values) + update


def integer(value, prefix_bits, flags):
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([flags | value])
    encoded = bytearray([flags | most])
    value -= most
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def text(value):
    return integer(len(value), 7, 0) + value


def indexed(index):
    return integer(index, 7, 0x80)


def literal(name_index, value):
    """A field that is not added to the dynamic table."""
    return integer(name_index, 4, 0) + text(value)


def remembered(name_index, value):
    """A field that is added to the dynamic table, at FIRST_DYNAMIC."""
    return integer(name_index, 6, 0x40) + text(value)


def request(stream, path, more=b""):
    """A GET. `more` is a part of the header block."""
    block = indexed(GET) + indexed(HTTP) + literal(PATH, path) + literal(AUTHORITY, b"example.test") + more
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


def status(block):
    """The status of a response: the first field of its header block."""
    while block[0] & 0xE0 == 0x20:
        # An update of the dynamic table's size.
        block = block[1:]
    if block[0] & 0x80:
        return STATUSES[(block[0] & 0x7F) - STATUS]
    length, is_huffman = block[1] & 0x7F, block[1] & 0x80
    value = block[2:2 + length]
    return huffman_digits(value) if is_huffman else int(value)


def huffman_digits(encoded):
    """The first three digits of a text in Huffman's code."""
    bits = "".join(f"{byte:08b}" for byte in encoded)
    number = 0
    for _ in range(3):
        length = 5 if bits[:5] in DIGITS else 6
        number = number * 10 + DIGITS[bits[:length]]
        bits = bits[length:]
    return number


class Frames:
    """Splits received bytes into frames."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        """The complete frames: (kind, flags, stream, payload)."""
        self.buffer += data
        while len(self.buffer) >= 9:
            end = 9 + int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < end:
                return
            kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
            payload = bytes(self.buffer[9:end])
            del self.buffer[:end]
            yield kind, flags, stream & 0x7FFFFFFF, payload
