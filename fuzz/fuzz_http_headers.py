"""Fuzz the parsers for headers of the HTTP listener: hosts, proxies, origins and the way after a login."""

from __future__ import annotations

import ipaddress

from harness import fuzz, instrumented

with instrumented():
    from portmapper.http.access import check_origin
    from portmapper.http.arrival import arrival_of
    from portmapper.http.login import safe_path
    from portmapper.support.allowed_hosts import AllowedHosts

SEEDS = [
    b"localhost:8080\nhttp://localhost:8080\n203.0.113.9, 10.0.0.1\nlocalhost\nhttps\n/history?q=1",
    b"[::1]:80\nnull\n[2001:db8::1]:443, junk\nports.example.org:8443\nhttp\n//evil.example",
    b"192.168.88.10\nhttps://evil.example\n\n\n\n/\\evil.example",
]
NAMES = ("Host", "Origin", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")
PROXIES = (ipaddress.ip_network("127.0.0.0/8"),)
HOSTS = AllowedHosts("127.0.0.1", ["ports.example.org"])


class Headers(dict[str, str]):
    """Headers as aiohttp has them, each once."""

    def getall(self, name: str, default: list[str]) -> list[str]:
        """Return the values of a header."""
        return [self[name]] if name in self else default


class Request:
    """What the checks read of a request."""

    method = "POST"
    secure = False

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.transport = self

    def get_extra_info(self, _: str) -> tuple[str, int]:
        """Return the address of both ends."""
        return ("127.0.0.1", 1)


def parse(data: bytes) -> None:
    """Check the headers of a request, one per line."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    request = Request(Headers(zip(NAMES, lines, strict=False)))
    arrival = arrival_of(request, PROXIES)
    HOSTS.allows(arrival.host, arrival.local_address)
    target = safe_path(lines[-1])
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    check_origin(request, arrival)


if __name__ == "__main__":
    fuzz(parse, SEEDS)
