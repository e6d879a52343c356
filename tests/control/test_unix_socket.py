"""The address of the daemon's Unix socket."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from portmapper.control.unix_socket import SOCKET_NAME, short_address

LONGEST_ADDRESS = 107


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_an_address_fits_however_long_the_path_is(tmp_path: Path) -> None:
    """And a socket that is bound to it appears in the directory."""
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    with short_address(directory) as address, socket.socket(socket.AF_UNIX) as listener:
        assert len(address) <= LONGEST_ADDRESS
        listener.bind(address)
    assert (directory / SOCKET_NAME).is_socket()


def test_a_missing_directory_is_an_os_error(tmp_path: Path) -> None:
    """The client takes it as a sign that no daemon runs."""
    with pytest.raises(FileNotFoundError), short_address(tmp_path / "missing"):
        pass


async def test_a_state_directory_with_a_long_name_can_be_served(
    tmp_path: Path, served: Any, call: Any
) -> None:
    """By the server, and by the client."""
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    async with served(directory):
        assert await call("status", directory=directory) == {"version": "1"}
