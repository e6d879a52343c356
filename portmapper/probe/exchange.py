"""The HTTP request to a probe server, and its answer line by line; the server is not trusted."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from portmapper.api.errors import PortmapperError
from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.connections import parsed
from portmapper.probe.server_url import trusting
from portmapper.probe.wire import COOKIE_SIZE, MAX_PORTS, PATH, SESSION_SIZE, PortRequest, Result
from portmapper.support.reasons import connection_reason
from portmapper.support.secrets import MASK, mask_url, mask_urls
from portmapper.support.text import printable
from portmapper.support.threads import in_thread
from portmapper.support.values import frozen

TIME_LIMIT = 20.0
"""Seconds for one request and its whole answer."""

CONNECT_LIMIT = 8.0
MAX_LINES = 4 * MAX_PORTS
MAX_LINE = 1024
MAX_MESSAGE = 200


class ProbeError(PortmapperError):
    """The probe server cannot be asked; `wait` is the number of seconds after which it would answer."""

    def __init__(self, reason: str, wait: int | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@frozen
class ProbeServer:
    """A probe server.

    Attributes:
        url: its URL, without a path.
        token: what it demands; empty for nothing.
        authority: the certificates that prove it over HTTPS, in PEM; empty for those of the system.
    """

    url: str
    token: str = attrs.field(default="", repr=False)
    authority: str = attrs.field(default="", repr=False)

    @property
    def name(self) -> str:
        """The URL for messages."""
        return mask_url(self.url)


@frozen
class Greeting:
    """The start of an answer.

    Attributes:
        peer: this host's address, as the server sees it.
        udp_port: the server's port for orders.
        session: name of the session.
        cookie: authorizes orders.
    """

    peer: IPAddress
    udp_port: int
    session: bytes
    cookie: bytes


@frozen
class Report:
    """What the server saw at one port.

    Attributes:
        key: protocol and port.
        result: what happened.
        source: where the probe came from; None if nothing was sent.
    """

    key: tuple[Protocol, int]
    result: Result
    source: tuple[IPAddress, int] | None


async def addresses_of(server: ProbeServer) -> list[IPAddress]:
    """Return the addresses of the server, IPv4 first.

    Raises:
        ProbeError: the server's name cannot be resolved.
    """
    host = urlsplit(server.url).hostname or ""
    try:
        found = await in_thread(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        addresses = {parsed(str(entry[4][0])) for entry in found}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is invalid"
        raise ProbeError(f"cannot find the probe server {server.name}: {reason}") from None
    return sorted(addresses, key=lambda address: (address.version, int(address)))


async def ask(
    server: ProbeServer, ports: Sequence[PortRequest], address: IPAddress, local: IPAddress | None
) -> AsyncIterator[Greeting | Report]:
    """Ask the server at this address to probe ports; yield its greeting, then its reports as they come.

    Proxies of the environment are not used: the server would probe the proxy. Redirects are not followed.

    Raises:
        ProbeError: the server cannot be reached, refuses, or sends something else.
    """
    import aiohttp

    connector = aiohttp.TCPConnector(
        resolver=_pinned(address),
        local_addr=(str(local), 0) if local is not None else None,
        ssl=trusting(server.authority) if server.authority else True,
        force_close=True,
    )
    limit = aiohttp.ClientTimeout(total=TIME_LIMIT, sock_connect=CONNECT_LIMIT)
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    body = {"ports": [port.document() for port in ports]}
    url = server.url.rstrip("/") + PATH
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit, trust_env=False) as session,
            session.post(url, json=body, headers=headers, allow_redirects=False) as response,
        ):
            await _check(server, response)
            async for line in _lines(response):
                yield line
    except aiohttp.ClientConnectorCertificateError as error:
        raise ProbeError(f"cannot verify the probe server {server.name}: {_mismatch(error)}") from None
    except aiohttp.ClientConnectorError as error:
        reason = connection_reason(error)
        raise ProbeError(f"cannot connect to the probe server {server.name}: {reason}") from None
    except TimeoutError:
        raise ProbeError(f"the probe server {server.name} does not answer in time") from None
    except (aiohttp.ClientError, ValueError) as error:
        reason = _shown(server, str(error) or "the connection ended")
        raise ProbeError(f"the probe server {server.name} sent an invalid answer: {reason}") from None


def _mismatch(error: Any) -> str:
    reason = getattr(error.certificate_error, "verify_message", None) or "its certificate is invalid"
    return f"{printable(reason, MAX_MESSAGE)}; set its certificate with --ca-file, or ca_file in [probe]"


def _pinned(address: IPAddress) -> Any:
    """Return a resolver that knows one address: the one that the probes are expected from."""
    from aiohttp.abc import AbstractResolver

    its = socket.AF_INET6 if address.version == 6 else socket.AF_INET

    class Pinned(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
            entry = {"hostname": host, "host": str(address), "port": port}
            return [{**entry, "family": its, "proto": 0, "flags": socket.AI_NUMERICHOST}]

        async def close(self) -> None:
            """Do nothing: there is nothing to close."""

    return Pinned()


async def _check(server: ProbeServer, response: Any) -> None:
    if response.status == 200:
        return
    wait = response.headers.get("Retry-After", "")
    if response.status == 429 and wait.isascii() and wait.isdigit():
        raise ProbeError(f"the probe server {server.name} has too many requests", int(wait[:6]))
    if 300 <= response.status < 400:
        raise ProbeError(
            f"{server.name} redirects to another address; use the URL of the probe server itself"
        )
    text = _shown(server, (await response.content.read(MAX_MESSAGE)).decode("utf-8", "replace"))
    raise ProbeError(f"the probe server {server.name} refuses: {text} (HTTP status {response.status})")


def _shown(server: ProbeServer, text: str) -> str:
    """Return a text of the server or the library for a message: it may repeat the token, or a URL."""
    if server.token:
        text = text.replace(server.token, MASK)
    return printable(mask_urls(text), MAX_MESSAGE)


async def _lines(response: Any) -> AsyncIterator[Greeting | Report]:
    yield _greeting(await _line(response))
    for _ in range(MAX_LINES):
        line = await _line(response)
        if line.get("done"):
            return
        yield _report(line)
    raise ValueError("it does not end")


async def _line(response: Any) -> dict[str, Any]:
    text = await response.content.readline()
    if len(text) > MAX_LINE or not text.endswith(b"\n"):
        raise ValueError("a line is too long or cut off")
    try:
        line = json.loads(text)
    except RecursionError:
        raise ValueError("a line is nested too deep") from None
    if not isinstance(line, dict):
        raise ValueError("a line is not an object")
    return line


def _greeting(line: dict[str, Any]) -> Greeting:
    session, cookie = (bytes.fromhex(str(line.get(key))) for key in ("session", "cookie"))
    if (len(session), len(cookie)) != (SESSION_SIZE, COOKIE_SIZE):
        raise ValueError("the session is invalid")
    return Greeting(parsed(str(line.get("peer"))), _port(line.get("udp_port")), session, cookie)


def _report(line: dict[str, Any]) -> Report:
    key = (Protocol(str(line.get("protocol"))), _port(line.get("port")))
    address = line.get("source")
    source = None if address is None else (parsed(str(address)), _port(line.get("source_port")))
    return Report(key, Result(str(line.get("result"))), source)


def _port(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 65535:
        raise ValueError("a port is invalid")
    return value
