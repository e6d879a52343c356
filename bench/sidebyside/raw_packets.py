"""Lower bound for a port mapper: raw packets of PCP or NAT-PMP, with a fixed number under way.

Run as `python -m sidebyside.raw_packets PROTOCOL COUNT WINDOW GATEWAY LOCAL`; prints milliseconds.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

SERVER_PORT = 5351
FIRST_PORT = 10_000
LIFETIME = 3600
PATIENCE = 10.0
TCP_OPCODE = 2  # RFC 6886, section 3.3
TCP_NUMBER = 6


def pcp_request(port: int, local: str) -> bytes:
    """Return a MAP request (RFC 6887, sections 7.1 and 11.1)."""
    client = bytes(10) + b"\xff\xff" + socket.inet_aton(local)
    header = struct.pack("!BBHI16s", 2, 1, 0, LIFETIME, client)
    anywhere = bytes(10) + b"\xff\xff" + bytes(4)
    return header + struct.pack("!12sB3xHH16s", os.urandom(12), TCP_NUMBER, port, port, anywhere)


def natpmp_request(port: int, local: str) -> bytes:
    """Return a mapping request (RFC 6886, section 3.3)."""
    return struct.pack("!BBHHHI", 0, TCP_OPCODE, 0, port, port, LIFETIME)


def loop(protocol: str, count: int, window: int, gateway: str, local: str) -> float:
    """Return the milliseconds until every request is answered."""
    build = {"pcp": pcp_request, "natpmp": natpmp_request}[protocol]
    requests = [build(port, local) for port in range(FIRST_PORT, FIRST_PORT + count)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.settimeout(PATIENCE)
        opened.connect((gateway, SERVER_PORT))
        started = time.perf_counter()
        for request in requests[:window]:
            opened.send(request)
        for answered in range(count):
            opened.recv(1100)
            if answered + window < count:
                opened.send(requests[answered + window])
        return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    print(loop(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]))
