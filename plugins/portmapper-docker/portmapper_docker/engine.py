"""Connection to a container engine, with a limit on the size of its answers."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
import aiohttp

from portmapper.api import MAX_DOCUMENT, SourceError, quoted
from portmapper_docker.engine_address import EngineAddress

_CONTAINER = re.compile(r"/?([\w.-]{1,128})", re.ASCII)

# aiodocker does not validate the structure of the engine's answers.
FAILURES = (
    aiodocker.DockerError,
    aiohttp.ClientError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)


@asynccontextmanager
async def engine(address: EngineAddress) -> AsyncIterator[aiodocker.Docker]:
    """Connect to the engine at an address.

    Raises:
        SourceError: the certificates cannot be used.
    """
    connector, url = _connector(address)
    async with (
        aiohttp.ClientSession(connector=connector, response_class=_Bounded) as session,
        aiodocker.Docker(url=url, connector=connector, session=session) as docker,
    ):
        yield docker


def _connector(address: EngineAddress) -> tuple[aiohttp.BaseConnector, str]:
    if address.socket:
        return aiohttp.UnixConnector(address.socket), "unix://localhost"
    host = f"[{address.host}]" if ":" in address.host else address.host
    if not address.certificates:
        return aiohttp.TCPConnector(), f"http://{host}:{address.port}"
    return aiohttp.TCPConnector(ssl=_tls(address.certificates)), f"https://{host}:{address.port}"


def _tls(directory: str) -> ssl.SSLContext:
    """Trust the engine's own authority only, and prove who we are, as Docker's command does."""
    try:
        context = ssl.create_default_context(cafile=os.path.join(directory, "ca.pem"))
        context.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a valid certificate"
        raise SourceError(f"{directory}: ca.pem, cert.pem and key.pem cannot be used: {why}") from None
    return context


async def host_address(address: EngineAddress) -> str:
    """Return the address of the host that publishes the ports; empty if it is this host.

    Raises:
        SourceError: the name of the host has no address.
    """
    if not address.host:
        return ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, family=socket.AF_INET
        )
    except OSError as error:
        raise SourceError(f"{quoted(address.host)}: no address found: {error.strerror}") from None
    ours = ipaddress.ip_address(found[0][4][0])
    return "" if ours.is_loopback else str(ours)


class _Bounded(aiohttp.ClientResponse):
    """HTTP response that fails when its body exceeds the limit for documents."""

    async def read(self) -> bytes:
        if self._body is None:
            body = bytearray()
            async for chunk in self.content.iter_chunked(65536):
                body += chunk
                if len(body) > MAX_DOCUMENT:
                    self.close()
                    raise SourceError(f"the engine's answer is larger than {MAX_DOCUMENT // 2**20} MiB")
            self._body = bytes(body)
        return self._body


def name_and_labels(container: Any) -> tuple[str, dict[str, str]]:
    """Read one element of the engine's container list. Raises one of `FAILURES` if it is invalid."""
    names, labels = container["Names"] or [container["Id"][:12]], container["Labels"] or {}
    found = _CONTAINER.fullmatch(names[0])
    texts = {key: text for key, text in labels.items() if isinstance(text, str)}
    return (found[1] if found else quoted(names[0]).replace("{}", "??")), texts


def reason(error: BaseException) -> str:
    """Return in one line why a request to the engine failed."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the engine did not answer within the time limit"
    if isinstance(error, aiodocker.DockerError) and isinstance(error.__context__, aiohttp.ClientSSLError):
        return "no TLS connection to the engine: ca.pem, cert.pem and key.pem have to match its certificate"
    if isinstance(error, aiodocker.DockerError) and isinstance(error.__context__, OSError):
        return f"the engine cannot be reached: {error.__context__.strerror or 'no connection'}"
    if isinstance(error, aiodocker.DockerError):
        return f"the engine refused: {quoted(error.message)}"
    return f"no valid answer from the engine ({type(error).__name__})"
