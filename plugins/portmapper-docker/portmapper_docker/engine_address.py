"""Where the engine is: a Unix socket, or a host that is reached over TLS."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from portmapper.api import SourceError, quoted

_SCHEME = "docker:"
_UNIX = "unix://"
_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")
_TLS_PORT = 2376
_PORT = 2375


@attrs.frozen
class EngineAddress:
    """The address of an engine.

    Attributes:
        socket: path of its Unix socket; empty if it is reached over TCP.
        host: its host, a name or an address; empty for a Unix socket.
        port: its TCP port.
        certificates: the directory with `ca.pem`, `cert.pem` and `key.pem`; empty without TLS.
    """

    socket: str = ""
    host: str = ""
    port: int = 0
    certificates: str = ""


def engine_address(location: str, environment: Mapping[str, str]) -> EngineAddress:
    """Return where the engine of a location is.

    Raises:
        SourceError: the location or DOCKER_HOST is invalid, or the socket does not exist.
    """
    rest = location.removeprefix(_SCHEME)
    if rest.startswith("///"):
        return EngineAddress(_checked(rest[2:]))
    if rest not in ("", "//"):
        raise SourceError("write docker: or docker:///PATH/TO/SOCKET")
    host = environment.get("DOCKER_HOST", "")
    if host.startswith("tcp://"):
        return _remote(host, environment)
    if host.startswith("ssh://"):
        raise SourceError(
            "DOCKER_HOST with ssh is not supported: forward the socket with `ssh -L`, and name it with"
            " docker:///PATH"
        )
    if host:
        if not host.startswith(f"{_UNIX}/"):
            raise SourceError(f"DOCKER_HOST is {quoted(host)}: write unix:///PATH or tcp://HOST:PORT")
        return EngineAddress(_checked(host.removeprefix(_UNIX)))
    path = next(filter(os.path.exists, _SOCKETS), "")
    if not path:
        raise SourceError("no engine socket was found: write docker:///PATH/TO/SOCKET")
    return EngineAddress(_checked(path))


def _remote(text: str, environment: Mapping[str, str]) -> EngineAddress:
    """Read the variables that Docker's own command reads. Without TLS, only this host is accepted."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.path not in ("", "/"):
        raise SourceError(f"DOCKER_HOST is {quoted(text)}: write tcp://HOST:PORT")
    if environment.get("DOCKER_TLS_VERIFY", ""):
        certificates = environment.get("DOCKER_CERT_PATH", "") or os.path.expanduser("~/.docker")
        return EngineAddress(host=host, port=port or _TLS_PORT, certificates=certificates)
    if not _is_loopback(host):
        raise SourceError(
            "DOCKER_HOST names another host without TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the"
            " directory with ca.pem, cert.pem and key.pem"
        )
    return EngineAddress(host=host, port=port or _PORT)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
