"""Interfaces and default routes on Linux.

Both come from rtnetlink(7), which needs no /proc: a container may hide it. The name of an interface is any
string of bytes; psutil fails for all interfaces if one name is not UTF-8.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
InterfaceFacts = tuple[str, tuple[IPInterface, ...], frozenset[IPAddress]]
"""The fields of an `Interface`: its name, its addresses, and those that are transient."""

RouteFacts = tuple[str, IPAddress, int]
"""The fields of a `DefaultRoute`: the interface, the gateway and the metric."""

ANSWER_LIMIT = 2.0
"""Seconds to wait for the kernel's answer, which normally is already there."""

MAX_ANSWER = 2**24
"""Bytes that are read for one request at most."""

_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3

_RTM_GETLINK, _RTM_DELADDR, _RTM_GETADDR, _RTM_GETROUTE = 18, 21, 22, 26
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_RUNNING = 0x40

_IFA_F_TEMPORARY = 0x01
_IFA_F_DADFAILED = 0x08
_IFA_F_DEPRECATED = 0x20
_IFA_F_TENTATIVE = 0x40
_TRANSIENT = _IFA_F_TEMPORARY | _IFA_F_DADFAILED | _IFA_F_DEPRECATED | _IFA_F_TENTATIVE

_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH = 4, 5, 6, 9
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_RTNH_F_DEAD = 0x1


def read() -> tuple[list[InterfaceFacts], list[RouteFacts]]:
    """Return the interfaces that are running and have an address, and the default routes with a gateway.

    Loopback is no interface here. The routes of IPv4 are first.

    Raises:
        OSError: the kernel does not answer, or no socket is left.
    """
    with connected(socket.NETLINK_ROUTE) as kernel:
        links = list(parse_links(_dump(kernel, _RTM_GETLINK)))
        addresses = list(parse_addresses(_dump(kernel, _RTM_GETADDR)))
        names = {index: name for index, name, _ in links}
        routes = list(parse_routes(_dump(kernel, _RTM_GETROUTE), names))
    running = {index: name for index, name, is_running in links if is_running}
    return list(_interfaces(running, addresses)), routes


def _interfaces(
    names: Mapping[int, str], addresses: Iterable[tuple[int, IPInterface, bool]]
) -> Iterator[InterfaceFacts]:
    """Yield the interfaces that have a name and an address."""
    found: dict[int, tuple[list[IPInterface], set[IPAddress]]] = {}
    for index, address, is_transient in addresses:
        own, transient = found.setdefault(index, ([], set()))
        own.append(address)
        if is_transient:
            transient.add(address.ip)
    for index, (own, transient) in found.items():
        if index in names:
            yield names[index], tuple(own), frozenset(transient)


def parse_links(messages: Iterator[bytes]) -> Iterator[tuple[int, str, bool]]:
    """Yield index and name of each interface, and whether it is running."""
    for message in messages:
        _, _, index, flags, _ = struct.unpack_from("=BxHiII", message)
        # The name is the first of about 50 attributes, some of which are long.
        name = next((value for kind, value in _attributes(message, 16) if kind == _IFLA_IFNAME), b"")
        yield index, decoded(name.rstrip(b"\0")), bool(flags & _IFF_RUNNING)


def parse_addresses(messages: Iterator[bytes]) -> Iterator[tuple[int, IPInterface, bool]]:
    """Yield interface index, address, and whether it is transient, for each address except loopback."""
    for message in messages:
        family, prefix, flags, _, index = struct.unpack_from("=BBBBI", message)
        attributes = dict(_attributes(message, 8))
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if family not in (socket.AF_INET, socket.AF_INET6) or raw is None:
            continue
        address = ipaddress.ip_interface((raw, prefix))
        if not address.ip.is_loopback:
            yield index, address, family == socket.AF_INET6 and bool(flags & _TRANSIENT)


def announcements(groups: int) -> socket.socket:
    """Return a socket that receives the kernel's messages of these groups of rtnetlink(7).

    Raises:
        OSError: the system refuses it, as some containers do.
    """
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    try:
        link.bind((0, groups))
    except OSError:
        link.close()
        raise
    return link


def removed_addresses(announcement: bytes) -> Iterator[IPAddress]:
    """Yield the addresses that the kernel announces as removed."""
    for kind, message in _messages(announcement):
        if kind == _RTM_DELADDR:
            yield from (address.ip for _, address, _ in parse_addresses(iter([message])))


def parse_routes(messages: Iterator[bytes], names: Mapping[int, str]) -> Iterator[RouteFacts]:
    """Yield the default routes of the main table; `names` are the interfaces by index."""
    for message in messages:
        family, bits, _, _, table, _, _, kind, flags = struct.unpack_from("=BBBBBBBBI", message)
        is_default = bits == 0 and kind == _RTN_UNICAST and not flags & _RTNH_F_DEAD
        if family not in (socket.AF_INET, socket.AF_INET6) or table != _RT_TABLE_MAIN or not is_default:
            continue
        attributes = dict(_attributes(message, 12))
        metric = int.from_bytes(attributes.get(_RTA_PRIORITY, b""), sys.byteorder)
        for index, gateway in _hops(attributes):
            route = _route(names.get(index), gateway, metric)
            if route is not None:
                yield route


def _hops(attributes: Mapping[int, bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield interface index and gateway of each next hop."""
    if _RTA_OIF in attributes:
        yield int.from_bytes(attributes[_RTA_OIF], sys.byteorder), attributes.get(_RTA_GATEWAY)
    several = attributes.get(_RTA_MULTIPATH, b"")
    while len(several) >= 8:
        length, _, _, index = struct.unpack_from("=HBBi", several)
        if length < 8:
            return
        yield index, dict(_attributes(several[:length], 8)).get(_RTA_GATEWAY)
        several = several[(length + 3) & ~3 :]


def _route(interface: str | None, raw: bytes | None, metric: int) -> RouteFacts | None:
    if interface is None or raw is None:
        return None
    gateway = ipaddress.ip_address(raw)
    if isinstance(gateway, ipaddress.IPv6Address) and gateway.is_link_local:
        if "%" in interface:
            return None  # not a valid zone
        gateway = ipaddress.IPv6Address(f"{gateway}%{interface}")  # it needs its zone
    return interface, gateway, metric


def decoded(name: bytes) -> str:
    """Return a name of the system as text; bytes that are not UTF-8 survive the way back."""
    return name.decode("utf-8", "surrogateescape")


def _dump(kernel: socket.socket, request: int) -> Iterator[bytes]:
    return dump(kernel, request, struct.pack("=Bxxx", socket.AF_UNSPEC) + bytes(12))


@contextlib.contextmanager
def connected(protocol: int) -> Iterator[socket.socket]:
    """Open a socket to the kernel for `dump`.

    Raises:
        OSError: no socket is left.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as kernel:
        kernel.settimeout(ANSWER_LIMIT)
        yield kernel


def dump(kernel: socket.socket, request: int, payload: bytes) -> Iterator[bytes]:
    """Yield the payload of each message that the kernel answers to a request for everything.

    Take all of them before the next request on this socket.

    Raises:
        OSError: the kernel does not answer.
    """
    header = struct.pack("=IHHII", 16 + len(payload), request, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
    kernel.sendto(header + payload, (0, 0))
    size = 0
    while size < MAX_ANSWER:
        answer = kernel.recv(65536)
        size += len(answer)
        for kind, message in _messages(answer):
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                code = -struct.unpack_from("=i", message)[0]
                raise OSError(code, os.strerror(code))
            yield message
    raise OSError(errno.EMSGSIZE, "the kernel's list does not end")


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    """Split an answer into messages: the type and the payload of each."""
    while len(answer) >= 16:
        length, kind = struct.unpack_from("=IH", answer)
        if not 16 <= length <= len(answer):
            raise OSError(errno.EBADMSG, "the kernel's answer is damaged")
        yield kind, answer[16:length]
        answer = answer[(length + 3) & ~3 :]


def _attributes(message: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes that follow the fixed part of a message."""
    while start + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, start)
        if length < 4:
            break
        yield kind, message[start + 4 : start + length]
        start += (length + 3) & ~3
