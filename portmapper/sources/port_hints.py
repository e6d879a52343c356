"""Tells what to write instead of a value that is no port or no protocol."""

from __future__ import annotations

import re

# A table of our own: /etc/services differs between hosts, and containers have none.
_NUMBERS = {
    "dns": 53,
    "domain": 53,
    "ftp": 21,
    "http": 80,
    "https": 443,
    "imap": 143,
    "imaps": 993,
    "ntp": 123,
    "rdp": 3389,
    "smtp": 25,
    "ssh": 22,
    "sftp": 22,
    "telnet": 23,
    "vnc": 5900,
    "wireguard": 51820,
}
_OTHER_PROTOCOLS = {"any": "both", "all": "both", "*": "both", "tcpudp": "both", "6": "tcp", "17": "udp"}
"""What firewalls and routers write, and the numbers of IANA."""
_PROTOCOL_FIRST = r"(tcp|udp|both)\s*[/: ]\s*([0-9]{1,5})\Z"
_DOTTED_RANGE = r"([0-9]{1,5})\s*(?:\.{2,3}|…|:|to)\s*([0-9]{1,5})\Z"
_THOUSANDS = r"([0-9]{1,2})[,. '\u00a0\u202f]([0-9]{3})\Z"
_PAIR = r"([0-9]{1,5}):([0-9]{1,5})\Z"
# Excel writes 8080.0, '8080 and ="8080"; text that is copied from a page can begin with a zero-width space.
_WRITTEN_OUT = r"[\s='\"+\u200b]*([0-9]{1,5})(?:\.0+)?[\s'\"]*\Z"


def port_hint(text: str) -> str:
    """Return the end of a message about a text that is no port; empty if nothing helps."""
    name = text.strip().lower()
    if name in _NUMBERS:
        return f": write {_NUMBERS[name]}"
    if words := re.match(_PROTOCOL_FIRST, name):
        return f": write {words[2]}/{words[1]}"
    number = re.match(_THOUSANDS, name)
    if number and int(number[1] + number[2]) <= 65535:
        return f": write {number[1]}{number[2]}, or a row for each port"
    if pair := re.match(_PAIR, name):
        return f": write {pair[1]} as port and {pair[2]} as internal_port"
    if ends := re.match(_DOTTED_RANGE, name):
        return f": write {ends[1]}-{ends[2]}"
    if re.search(r"[0-9]\s*[,; ]\s*[0-9]", name):
        return ": write a row for each port"
    whole = re.match(_WRITTEN_OUT, text)
    return f": write {int(whole[1])}" if whole else ""


def protocol_hint(value: object) -> str:
    """Return the end of a message about a protocol that other programs write differently."""
    name = _OTHER_PROTOCOLS.get(str(value).strip().lower(), "")
    return f": write {name}" if name else ""
