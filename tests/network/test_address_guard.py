"""The guard that leads while this host carries an address."""

from __future__ import annotations

import ipaddress
import sys

import pytest

from portmapper.api.errors import UsageError
from portmapper.network import address_guard
from portmapper.network.address_guard import AddressGuard
from portmapper.network.host import Interface, Network
from portmapper.testing import GuardContract, GuardSubject

ADDRESS = "192.168.88.50"


class Host:
    """A host whose address a test adds and removes; without announcements of the kernel."""

    def __init__(self) -> None:
        self.addresses = ("192.168.88.10/24",)

    def read(self) -> Network:
        """Return the host's network."""
        interfaces = [ipaddress.ip_interface(address) for address in self.addresses]
        return Network((Interface("eth0", tuple(interfaces)),), ())

    def add(self) -> None:
        """Add the address."""
        self.addresses = ("192.168.88.10/24", f"{ADDRESS}/32")

    def remove(self) -> None:
        """Remove the address."""
        self.addresses = ("192.168.88.10/24",)


class TestContract(GuardContract):
    """The guard on a system without announcements."""

    @pytest.fixture
    def subject(self, monkeypatch: pytest.MonkeyPatch) -> GuardSubject:
        """Return the guard of a host."""
        monkeypatch.setattr(address_guard, "INTERVAL", 0.01)
        monkeypatch.setattr(address_guard, "ANNOUNCES", False)
        host = Host()
        return GuardSubject(AddressGuard(ADDRESS, host.read), host.add, host.remove)


@pytest.mark.parametrize("text", ["", "router", "192.168.88.0/24", "0.0.0.0", "127.0.0.1", "224.0.0.1", "::"])
def test_another_text_is_refused(text: str) -> None:
    """Only an address of a host can be carried."""
    with pytest.raises(UsageError, match=r"write one such as 192\.168\.88\.50"):
        AddressGuard(text)


@pytest.mark.skipif(sys.platform != "linux", reason="uses rtnetlink")
async def test_an_address_that_went_and_came_back_is_lost() -> None:
    """Another host may have led in between, while this process was suspended."""
    host = Host()
    host.add()
    guard = AddressGuard(ADDRESS, host.read)
    guard.leading.set()
    assert guard.may_act()
    removed = _announcement(21, ADDRESS)
    replace_socket(guard, Kernel([removed]))
    assert not guard.may_act()
    assert guard.lost.is_set()
    await guard.close()


@pytest.mark.skipif(sys.platform != "linux", reason="uses rtnetlink")
async def test_other_changes_and_an_overrun_only_read_the_addresses_again() -> None:
    """An address of another host, a new link, a lost message."""
    host = Host()
    host.add()
    guard = AddressGuard(ADDRESS, host.read)
    guard.leading.set()
    assert guard.may_act()
    kernel = Kernel([_announcement(21, "192.168.88.51"), OSError(105, "overrun"), _announcement(20, ADDRESS)])
    replace_socket(guard, kernel)
    assert guard.may_act()
    host.remove()
    kernel.messages.append(_announcement(20, "192.168.88.9"))
    assert not guard.may_act()
    await guard.close()


@pytest.mark.skipif(sys.platform != "linux", reason="uses rtnetlink")
async def test_a_broken_socket_lets_nothing_pass() -> None:
    """Whether the address is still here is not known."""
    host = Host()
    host.add()
    guard = AddressGuard(ADDRESS, host.read)
    guard.leading.set()
    replace_socket(guard, Kernel([OSError(5, "I/O error")]))
    assert not guard.may_act()
    await guard.close()


class Kernel:
    """A netlink socket with these messages."""

    def __init__(self, messages: list[bytes | OSError]) -> None:
        self.messages = messages

    def recv(self, _: int) -> bytes:
        """Return or raise the next message."""
        if not self.messages:
            raise BlockingIOError
        message = self.messages.pop(0)
        if isinstance(message, OSError):
            raise message
        return message

    def close(self) -> None:
        """Do nothing."""


def replace_socket(guard: AddressGuard, kernel: Kernel) -> None:
    """Let the guard read these messages."""
    guard._close()
    guard._link = kernel  # type: ignore[assignment]


def _announcement(kind: int, address: str) -> bytes:
    import socket
    import struct

    raw = ipaddress.ip_address(address).packed
    body = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 2) + struct.pack("=HH", 8, 2) + raw
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body
