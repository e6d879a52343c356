"""Default routes on Windows, from the IP Helper API: the output of its commands is translated.

`GetAdaptersAddresses` has the gateways and metrics of both IP versions. A route that was added by hand for
all addresses is only in the table of `GetIpForwardTable`. All structures are those of iphlpapi.h for 64 and
32 bits.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping

import attrs

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
RouteFacts = tuple[str, IPAddress, int]
"""The fields of a `DefaultRoute`: the interface, the gateway and the metric."""

_GAA_FLAG_INCLUDE_GATEWAYS = 0x80
_GAA_FLAGS = 0x1 | 0x2 | 0x4 | 0x8 | _GAA_FLAG_INCLUDE_GATEWAYS  # without addresses and DNS servers
_ERROR_BUFFER_OVERFLOW, _ERROR_INSUFFICIENT_BUFFER = 111, 122
_NO_DATA = (0, 232, 1168)
_IF_OPER_STATUS_UP = 1
_AF_INET6 = 23
_ATTEMPTS = 4
"""The tables may grow between the question for their size and the reading."""

_FIRST_SIZE = 16 * 1024
_ROW = struct.Struct("<14I")
"""MIB_IPFORWARDROW: destination, mask, policy, next hop, interface index, type, …, metric 1, …"""


@attrs.frozen
class Adapter:
    """An adapter that is up.

    Attributes:
        name: the name that users see, as psutil reports it.
        indexes: its interface indexes, for IPv4 and IPv6.
        metrics: its metrics, for IPv4 and IPv6.
        gateways: its gateways.
    """

    name: str
    indexes: tuple[int, int]
    metrics: tuple[int, int]
    gateways: tuple[IPAddress, ...]


class _SocketAddress(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("length", ctypes.c_int))


class _GatewayAddress(ctypes.Structure):
    pass


_GatewayAddress._fields_ = (
    ("alignment", ctypes.c_ulonglong),
    ("next", ctypes.POINTER(_GatewayAddress)),
    ("address", _SocketAddress),
)


class _AdapterAddresses(ctypes.Structure):
    """IP_ADAPTER_ADDRESSES, up to the gateways."""


_AdapterAddresses._fields_ = (
    ("length", ctypes.c_uint32),
    ("index", ctypes.c_uint32),
    ("next", ctypes.POINTER(_AdapterAddresses)),
    ("adapter_name", ctypes.c_char_p),
    ("unicast", ctypes.c_void_p),
    ("anycast", ctypes.c_void_p),
    ("multicast", ctypes.c_void_p),
    ("dns_servers", ctypes.c_void_p),
    ("dns_suffix", ctypes.c_wchar_p),
    ("description", ctypes.c_wchar_p),
    ("friendly_name", ctypes.c_wchar_p),
    ("physical_address", ctypes.c_ubyte * 8),
    ("physical_address_length", ctypes.c_uint32),
    ("flags", ctypes.c_uint32),
    ("mtu", ctypes.c_uint32),
    ("type", ctypes.c_uint32),
    ("status", ctypes.c_int),
    ("ipv6_index", ctypes.c_uint32),
    ("zones", ctypes.c_uint32 * 16),
    ("prefixes", ctypes.c_void_p),
    ("transmit_speed", ctypes.c_ulonglong),
    ("receive_speed", ctypes.c_ulonglong),
    ("wins_servers", ctypes.c_void_p),
    ("gateways", ctypes.POINTER(_GatewayAddress)),
    ("ipv4_metric", ctypes.c_uint32),
    ("ipv6_metric", ctypes.c_uint32),
)


def default_routes() -> Iterator[RouteFacts]:
    """Yield the default routes with a gateway.

    Raises:
        OSError: the system does not answer.
    """
    yield from merge(_adapters(), parse_table(_forward_table()))


def merge(adapters: Iterable[Adapter], rows: Iterable[tuple[int, IPAddress, int]]) -> Iterator[RouteFacts]:
    """Yield one route for each gateway of the adapters, and of the table's rows.

    Args:
        adapters: the adapters that are up.
        rows: interface index, gateway and metric of each default route.
    """
    known = list(adapters)
    metrics = {(index, gateway): metric for index, gateway, metric in rows}
    names = {adapter.indexes[0]: adapter.name for adapter in known}
    for adapter in known:
        for gateway in adapter.gateways:
            metric = metrics.pop((adapter.indexes[0], gateway), adapter.metrics[gateway.version == 6])
            yield adapter.name, gateway, metric
    for (index, gateway), metric in metrics.items():
        if index in names:
            yield names[index], gateway, metric


def parse_table(table: bytes) -> Iterator[tuple[int, IPAddress, int]]:
    """Yield interface index, gateway and metric of each default route of a MIB_IPFORWARDTABLE."""
    count = int.from_bytes(table[:4], "little")
    for row in range(min(count, (len(table) - 4) // _ROW.size)):
        destination, mask, _, hop, index, *others = _ROW.unpack_from(table, 4 + row * _ROW.size)
        if destination == mask == 0 and hop:
            # Addresses are in network byte order in memory.
            yield index, ipaddress.IPv4Address(hop.to_bytes(4, "little")), others[4]


def parse_address(data: bytes) -> IPAddress | None:
    """Return the address of a sockaddr_in or sockaddr_in6; a link-local one has its zone."""
    family = int.from_bytes(data[:2], "little")
    if family == socket.AF_INET and len(data) >= 8:
        return ipaddress.IPv4Address(data[4:8])
    if family != _AF_INET6 or len(data) < 28:
        return None
    address, zone = ipaddress.IPv6Address(data[8:24]), int.from_bytes(data[24:28], "little")
    return ipaddress.IPv6Address(f"{address}%{zone}") if address.is_link_local and zone else address


def _adapters() -> Iterator[Adapter]:
    buffer = _read("GetAdaptersAddresses", {"flags": _GAA_FLAGS})
    if buffer is None:
        return
    node = ctypes.cast(buffer, ctypes.POINTER(_AdapterAddresses))
    while node:
        found = node.contents
        if found.status == _IF_OPER_STATUS_UP:
            yield Adapter(
                found.friendly_name or "",
                (found.index, found.ipv6_index),
                (found.ipv4_metric, found.ipv6_metric),
                tuple(_gateways(found.gateways)),
            )
        node = found.next


def _gateways(node: ctypes._Pointer[_GatewayAddress]) -> Iterator[IPAddress]:
    while node:
        address = node.contents.address
        parsed = parse_address(ctypes.string_at(address.address, address.length))
        if parsed is not None and not parsed.is_unspecified:
            yield parsed
        node = node.contents.next


def _forward_table() -> bytes:
    buffer = _read("GetIpForwardTable", {})
    return b"" if buffer is None else bytes(buffer)


def _read(function: str, options: Mapping[str, int]) -> ctypes.Array[ctypes.c_char] | None:
    """Call a function that fills a buffer, until the buffer is large enough; None if there is no data."""
    call = getattr(_library(), function)
    size = ctypes.c_uint32(_FIRST_SIZE)
    for _ in range(_ATTEMPTS):
        buffer = ctypes.create_string_buffer(size.value)
        if "flags" in options:
            result = call(socket.AF_UNSPEC, options["flags"], None, buffer, ctypes.byref(size))
        else:
            result = call(buffer, ctypes.byref(size), False)
        if result not in (_ERROR_BUFFER_OVERFLOW, _ERROR_INSUFFICIENT_BUFFER):
            break
    if result in _NO_DATA:
        return buffer if result == 0 else None
    raise OSError(result, f"{function} failed with error {result}")


def _library() -> ctypes.CDLL:
    """Load the library, which exists on Windows only."""
    if sys.platform == "win32":
        return ctypes.WinDLL("iphlpapi")
    raise OSError(errno.ENOSYS, "this is not Windows")
