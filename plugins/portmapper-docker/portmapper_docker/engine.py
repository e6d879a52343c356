"""One connection to a container engine, with a bound on what it may answer."""

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

# aiodocker unpacks what the engine sends without looking at its shape.
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
    """Return the path of the socket that a location names.

    Raises:
        SourceError: it names none, or there is none.
    """
    named = location.removeprefix(_SCHEME)
    if named.startswith("///"):
        path = named[2:]
    elif named not in ("", "//"):
        raise SourceError("write docker: or docker:///PATH/TO/SOCKET")
    elif host := environment.get("DOCKER_HOST", ""):
        # The ports of a remote engine are not this host's.
        if not host.startswith(f"{_UNIX}/"):
            raise SourceError(f"DOCKER_HOST is {quoted(host)}: only unix:///PATH is read")
        path = host.removeprefix(_UNIX)
    else:
        path = next(filter(os.path.exists, _SOCKETS), "")
        if not path:
            raise SourceError("no engine's socket is here: name one, docker:///PATH/TO/SOCKET")
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
    """Connect to the engine behind a socket."""
    connector = aiohttp.UnixConnector(path)
    async with (
        aiohttp.ClientSession(connector=connector, response_class=_Bounded) as session,
        aiodocker.Docker(url="unix://localhost", connector=connector, session=session) as docker,
    ):
        yield docker


class _Bounded(aiohttp.ClientResponse):
    """An answer that is given up when it is larger than a document may be."""

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
    """Read one element of the engine's list. Raises one of `FAILURES` for what is none."""
    names, labels = container["Names"] or [container["Id"][:12]], container["Labels"] or {}
    found = _CONTAINER.fullmatch(names[0])
    texts = {key: text for key, text in labels.items() if isinstance(text, str)}
    return (found[1] if found else quoted(names[0]).replace("{}", "??")), texts


def reason(error: BaseException) -> str:
    """Say in one line why the engine could not be asked."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the engine did not answer in time"
    if isinstance(error, aiodocker.DockerError):
        return f"the engine refuses: {quoted(error.message)}"
    return f"no valid answer from the engine ({type(error).__name__})"
