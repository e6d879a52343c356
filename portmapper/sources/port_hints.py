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
}
_OTHER_PROTOCOLS = {
    **dict.fromkeys(
        (
            "any",
            "all",
            "*",
            "tcpudp",
            "udptcp",
            "tcp and udp",
            "tcp & udp",
            "tcp und udp",
            "beide",
            "ambos",
            "les deux",
            "entrambi",
        ),
        "both",
    ),
    **{"6": "tcp", "17": "udp"},
}
"""What firewalls and routers write, also in other languages, and the numbers of IANA."""
_COMMENT = r"[^#]*\S\s*(?:#|//).*\Z"
_PROTOCOL_FIRST = r"(tcp|udp|both)\s*[/: ]\s*([0-9]{1,5})\Z"
_PROTOCOL_LAST = r"([0-9]{1,5})\s*[:.]?\s*(tcp|udp|both)\Z"
_RANGE = r"([0-9]{1,5})\s*(?:\.{2,3}|…|:|~|to|bis|hasta|a|à)\s*([0-9]{1,5})\Z"
_THOUSANDS = r"([0-9]{1,2})[,. '\u00a0\u202f]([0-9]{3})\Z"
# Docker also writes the address that the port belongs to.
_ON_ADDRESS = r"[0-9.]+:([0-9]{1,5})\Z"
_DOCKER_HOST = r"(?:[0-9.]+:|\[[0-9a-f:.]*\]:)?"
_PORTS = r"([0-9]{1,5}(?:-[0-9]{1,5})?)"
_PAIR = rf"{_DOCKER_HOST}{_PORTS}\s*(?::|->|=>|→|⇒)\s*{_PORTS}(?:/[a-z]+)?\Z"
# Excel writes 8080.0, '8080 and ="8080", a word processor curly quotes; text that is copied from a page can
# begin with a zero-width space.
_CURLY = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
# A spreadsheet shows a number in a narrow column as 8.08E+03.
_SCIENTIFIC = r"[0-9](?:[.,][0-9]{1,4})?e\+?0?[34]\Z"
_HEXADECIMAL = r"0x[0-9a-f]{1,4}\Z"
_ONE_NUMBER = r"[^0-9]*([0-9]{1,5})[^0-9]*\Z"
_WRITTEN_OUT = rf"[\s='\"+\u200b{_CURLY}]*([0-9]{{1,5}})(?:[.,]0{{1,2}})?[\s'\"{_CURLY}]*\Z"


def port_hint(text: str) -> str:
    """Return the end of a message about a text that is no port; empty if nothing helps."""
    name = text.strip().lower()
    if name in _NUMBERS:
        return f": write {_NUMBERS[name]}"
    if name == "0":
        return ": write any if the gateway may choose"
    return _one_port(text, name) or _several_ports(name) or _any_number(name)


def _one_port(text: str, name: str) -> str:
    if name.isdecimal() and not name.isascii():
        return f": write {int(name[:9])}"
    if words := re.match(_PROTOCOL_FIRST, name):
        return f": write {words[2]}/{words[1]}"
    if words := re.match(_PROTOCOL_LAST, name):
        return f": write {words[1]}/{words[2]}"
    if whole := re.match(_WRITTEN_OUT, text):
        return f": write {int(whole[1])}"
    number = re.match(_THOUSANDS, name)
    if number and int(number[1] + number[2]) <= 65535:
        return f": write {number[1]}{number[2]}, or a row for each port"
    if on_address := re.match(_ON_ADDRESS, name) if "." in name else None:
        return f": write {on_address[1]}"
    if "$" in name:
        return ": variables are not replaced, write the number"
    return comment_hint(name)


def _several_ports(name: str) -> str:
    if pair := re.match(_PAIR, name):
        return f": write {pair[1]} as port and {pair[2]} as internal_port"
    if ends := re.match(_RANGE, name):
        return f": write {ends[1]}-{ends[2]}"
    if name in ("*", "all"):
        return ": write a range, or any if the gateway may choose"
    return ""


def _any_number(name: str) -> str:
    """Return the hint of a text with a number, such as `port 8080`, `*:8080` or `0x1f90`, or with several."""
    if re.match(_SCIENTIFIC, name):
        return f": write {int(float(name.replace(',', '.')))}"
    if re.match(_HEXADECIMAL, name):
        return f": write {int(name, 16)}"
    found = re.match(_ONE_NUMBER, name)
    if found and 1 <= int(found[1]) <= 65535:
        return f": write {found[1]}"
    return ": write a row for each port" if re.search(r"[0-9]\s*[,; ]\s*[0-9]", name) else ""


def comment_hint(text: str) -> str:
    """Return the end of a message about a value that a comment follows; empty for another value."""
    if text.startswith(("//", "--", "/*")):
        return ": a comment begins with #"
    return ": write the comment in the field comment, or on its own line" if re.match(_COMMENT, text) else ""


def protocol_hint(value: object) -> str:
    """Return the end of a message about a protocol that other programs write differently."""
    if isinstance(value, list):
        return ": write both" if len(value) > 1 else ""
    name = _OTHER_PROTOCOLS.get(str(value).strip().lower(), "")
    return f": write {name}" if name else comment_hint(str(value))
