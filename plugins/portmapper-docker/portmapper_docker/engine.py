"""Connection to a container engine, with a limit on the size of its answers."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
import aiohttp

from portmapper.api import MAX_DOCUMENT, SourceError, quoted

_SCHEME = "docker:"
_UNIX = "unix://"
_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")
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


def socket_of(location: str, environment: Mapping[str, str]) -> str:
    """Return the path of a location's socket.

    Raises:
        SourceError: the location is invalid, or the socket does not exist.
    """
    rest = location.removeprefix(_SCHEME)
    if rest.startswith("///"):
        path = rest[2:]
    elif rest not in ("", "//"):
        raise SourceError("write docker: or docker:///PATH/TO/SOCKET")
    elif host := environment.get("DOCKER_HOST", ""):
        # A remote engine publishes ports on its own host, not on this one.
        if not host.startswith(f"{_UNIX}/"):
            raise SourceError(f"DOCKER_HOST is {quoted(host)}: only unix:///PATH is supported")
        path = host.removeprefix(_UNIX)
    else:
        path = next(filter(os.path.exists, _SOCKETS), "")
        if not path:
            raise SourceError("no engine socket was found: write docker:///PATH/TO/SOCKET")
    return _checked(path)


def _checked(path: str) -> str:
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except PermissionError:
        raise SourceError(f"{path}: permission denied") from None
    except (OSError, ValueError):
        raise SourceError(f"{path}: no such socket") from None
    if not is_socket:
        raise SourceError(f"{path} is not a socket")
    return path


@asynccontextmanager
async def engine(path: str) -> AsyncIterator[aiodocker.Docker]:
    """Connect to the engine at a Unix socket."""
    connector = aiohttp.UnixConnector(path)
    async with (
        aiohttp.ClientSession(connector=connector, response_class=_Bounded) as session,
        aiodocker.Docker(url="unix://localhost", connector=connector, session=session) as docker,
    ):
        yield docker


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
    if isinstance(error, aiodocker.DockerError):
        return f"the engine refused: {quoted(error.message)}"
    return f"no valid answer from the engine ({type(error).__name__})"
