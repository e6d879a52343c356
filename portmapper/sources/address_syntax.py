"""Parses internal addresses in every notation: hosts, networks, and the short forms of cidr-utils."""

from __future__ import annotations

import functools
import ipaddress
import re

from portmapper.api.errors import RowError, quoted
from portmapper.api.model import ALL_GATEWAYS, IPAddress, IPNetwork

# The grammar of cidr-utils 0.5.10, which upnp-daemon uses. ASCII digits only: `\d` would also match other
# digits, such as Arabic ones. `\Z`, because `$` would allow a trailing line feed.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = (
    rf"(?P<octets>{_OCTET}(?:\.{_OCTET}){{0,3}})"
    rf"(?:/(?:(?P<prefix>3[0-2]|[12]?[0-9])|(?P<mask>{_OCTET}(?:\.{_OCTET}){{3}})))?\Z"
)
_IPV6_LETTERS = r"[0-9A-Fa-f:.]+\Z"
_IPV6_PREFIX = r"(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])\Z"

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


@functools.lru_cache(maxsize=4096)
def parse_address(text: str) -> IPAddress | IPNetwork | None:
    """Parse an address; empty and `0.0.0.0` mean this host.

    Host bits of a network are masked, and a network of one address is a host. An IPv4-mapped IPv6 address
    (`::ffff:192.0.2.1`) is its IPv4 address, so that every rule sees one form.

    Raises:
        RowError: the text is invalid; its field is `address`.
    """
    if not text:
        return None
    return _parse_ipv6(text) if ":" in text else _parse_ipv4(text)


@functools.lru_cache(maxsize=256)
def parse_gateway(text: str) -> str | None:
    """Parse the gateway of a mapping, as `Mapping.gateway`; `default` and empty mean the best one.

    Unlike `--gateway`, it allows neither a URL nor a port: a list may come from an untrusted server.

    Raises:
        RowError: the text is invalid; its field is `gateway`.
    """
    if text.lower() in ("", "default"):
        return None
    if text.lower() == ALL_GATEWAYS:
        return ALL_GATEWAYS
    try:
        address = canonical(ipaddress.ip_address(text))
    except ValueError:
        raise RowError("gateway", f"{quoted(text)} is not one of default, all, or an address") from None
    if address.is_unspecified or address.is_multicast or address == _BROADCAST:
        raise RowError("gateway", f"{quoted(text)} cannot be the address of a gateway")
    if address.version == 6 and address.is_link_local and address.scope_id is None:
        raise RowError("gateway", f"{quoted(text)} is link-local: add its interface, as in {text}%eth0")
    return str(address)


def _parse_ipv4(text: str) -> IPAddress | IPNetwork | None:
    match = re.match(_IPV4, text)
    if match is None:
        raise _invalid(text, _hint(text))
    octets = match["octets"].split(".")
    short = 8 * len(octets) if len(octets) < 4 else None
    length = _prefix_length(match, text)
    if short is not None and length is not None and length != short:
        raise _invalid(text, f"{match['octets']} alone means /{short}; write all four octets for /{length}")
    length = next((bits for bits in (length, short) if bits is not None), 32)
    host = ".".join(octets + ["0"] * (4 - len(octets)))
    if length == 32:
        return None if host == "0.0.0.0" else ipaddress.IPv4Address(host)
    return ipaddress.IPv4Network(f"{host}/{length}", strict=False)


def _prefix_length(match: re.Match[str], text: str) -> int | None:
    if match["prefix"] is not None:
        return int(match["prefix"])
    if match["mask"] is None:
        return None
    mask = int(ipaddress.IPv4Address(match["mask"]))
    length = mask.bit_count()
    if mask != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        raise _invalid(text, "the mask's bits are not contiguous")
    return length


def _parse_ipv6(text: str) -> IPAddress | IPNetwork | None:
    host, slash, prefix = text.partition("/")
    if not re.match(_IPV6_LETTERS, host) or (slash and not re.match(_IPV6_PREFIX, prefix)):
        raise _invalid(text, _hint(text))
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise _invalid(text, _hint(text)) from None
    length = int(prefix) if slash else 128
    if address.ipv4_mapped is not None and length >= 96:
        return _parse_ipv4(f"{address.ipv4_mapped}/{length - 96}")
    if length < 128:
        return ipaddress.IPv6Network((address, length), strict=False)
    if address.is_unspecified:
        raise _invalid(text, "leave it empty for this host")
    return address


def canonical(address: IPAddress) -> IPAddress:
    """Return the IPv4 address of an IPv4-mapped IPv6 address, and any other address as it is."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


_THIS_HOST = ("localhost", "self", "me", "this", "this host", "any", "auto", "*", "-", "--", "none", "null")
_IPV4_LIKE = r"[0-9]{1,4}(?:[.,][0-9]{1,4}){3}\Z"


def _hint(text: str) -> str:
    """Return what to write instead of an address; empty if nothing is known to help."""
    return _hint_of_word(text) or _hint_of_number(text)


def _hint_of_word(text: str) -> str:
    if text.lower() in (*_THIS_HOST, "n/a"):
        return "omit the address to map to this host"
    if re.search(r"\s", text):
        return "it contains a space: write only the address"
    if "%" in text:
        linked = text.lower().startswith("fe80:")
        return "it is link-local, and cannot be reached from outside" if linked else "omit the zone"
    if "://" in text:
        return "write only the address of the host"
    if re.fullmatch(r"\[[0-9A-Fa-f:.]*\]", text):
        return "omit the brackets"
    if re.fullmatch(r"[0-9.]+:[0-9]+|\[.*\]:[0-9]+", text):
        return "write the port of the host in internal_port"
    if re.fullmatch(r"[\w.-]*[^\W\d][\w.-]*", text):
        return "write the address of the host, not its name"
    return ""


def _hint_of_number(text: str) -> str:
    if re.search(r"(?:^|[./])0[0-9]", text):
        return "a number has a leading zero: remove the zero"
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text):
        return "write the IP address of the host, not its hardware address"
    if re.search(r"[*-]", text):
        return "write a range as a network, such as 192.168.0.0/24"
    if "/" in text and ":" not in text:
        return "the number after / is 0 to 32"
    if re.match(_IPV4_LIKE, text):
        return f"write {text.replace(',', '.')}" if "," in text else "each number is at most 255"
    return "an IPv4 address has four numbers, such as 192.168.0.10" if re.match(r"[0-9.]+\Z", text) else ""


def _invalid(text: str, hint: str) -> RowError:
    reason = f"{quoted(text)} is neither an address nor a network"
    return RowError("address", f"{reason}: {hint}" if hint else reason)
