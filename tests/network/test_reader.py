"""The last known network stays in use while the system does not answer."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

import pytest

from portmapper.network.host import Interface, Network
from portmapper.network.reader import NetworkReader

HERE = Network((Interface("eth0", (ipaddress.ip_interface("192.168.88.10/24"),)),), ())
ERRORS = [
    *(OSError(code, os.strerror(code)) for code in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES)),
    MemoryError(),
    FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/net/dev"),
    UnicodeDecodeError("utf-8", b"\xfc", 0, 1, "invalid start byte"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_a_failed_reading_keeps_the_last_known_network(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, until the network can be read again."""
    results: list[Network | Exception] = [HERE, error, error, HERE, error]

    def read() -> Network:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    reader = NetworkReader(read)
    assert [reader() for _ in range(3)] == [HERE] * 3
    assert reader.problem is not None
    assert len(caplog.messages) == 1
    reader()
    assert reader.problem is None
    reader()
    assert sum("cannot read" in message for message in caplog.messages) == 2


def test_the_first_reading_may_fail_too() -> None:
    """Until the next one, there are no interfaces."""

    def read() -> Network:
        raise OSError(errno.EMFILE, "Too many open files")

    assert NetworkReader(read)() == Network((), ())


def test_without_a_socket_there_is_no_route_to_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of an error."""

    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", fail)
    assert HERE.local_address_towards(ipaddress.ip_address("192.168.88.1")) is None
