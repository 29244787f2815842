# SPDX-License-Identifier: MIT
"""A name server on loopback that knows one name, and takes its time: names.py PORT NAME DELAY_MS."""
import asyncio
import socket
import struct
import sys

HEADER = struct.Struct("!6H")  # id, flags, questions, answers, authorities, additional
RESPONSE, RECURSION_DESIRED, AUTHORITATIVE, NO_SUCH_NAME = 0x8000, 0x0100, 0x0400, 3
A, IN = 1, 1


def read_question(query):
    """The first question: name in lower case, type, and the octet behind it.  ValueError, IndexError if there is none."""
    labels, at = [], HEADER.size
    while query[at]:
        if query[at] > 63 or at + query[at] >= len(query):
            raise ValueError("not a label")
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii").lower())
        at += 1 + query[at]
    kind, _ = struct.unpack_from("!2H", query, at + 1)
    return ".".join(labels), kind, at + 5


def answer_to(query, name):
    """The response, or None where none is due.  A name that is known has one address and nothing else."""
    try:
        number, flags, questions, *_ = HEADER.unpack_from(query)
        asked, kind, end = read_question(query)
    except (struct.error, ValueError, IndexError):
        return None
    if flags & RESPONSE or questions != 1:
        return None
    has_address = asked == name and kind == A
    flags = RESPONSE | AUTHORITATIVE | flags & RECURSION_DESIRED | (0 if asked == name else NO_SUCH_NAME)
    said = HEADER.pack(number, flags, 1, has_address, 0, 0) + query[HEADER.size:end]
    if has_address:  # the name again, by reference; nobody is to keep it
        said += struct.pack("!3HIH", 0xC000 | HEADER.size, A, IN, 0, 4) + socket.inet_aton("127.0.0.1")
    return said


class Server(asyncio.DatagramProtocol):
    def __init__(self, name, delay_s):
        self.name, self.delay_s, self.transport = name, delay_s, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        said = answer_to(data, self.name)
        if said:
            asyncio.get_running_loop().call_later(self.delay_s, self.transport.sendto, said, addr)


async def serve(port, name, delay_ms):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Server(name.lower(), delay_ms / 1000), ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
