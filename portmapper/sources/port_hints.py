"""Tells what to write instead of a text that is no port."""

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
_PAIR = r"([0-9]{1,5}):([0-9]{1,5})\Z"
# Excel writes 8080.0, '8080 and ="8080"; text that is copied from a page can begin with a zero-width space.
_WRITTEN_OUT = r"[\s='\"+\u200b]*([0-9]{1,5})(?:\.0+)?[\s'\"]*\Z"


def port_hint(text: str) -> str:
    """Return the end of a message about a text that is no port; empty if nothing helps."""
    name = text.strip().lower()
    if name in _NUMBERS:
        return f": write {_NUMBERS[name]}"
    if pair := re.match(_PAIR, name):
        return f": write {pair[1]} as port and {pair[2]} as internal_port"
    if re.search(r"[0-9]\s*[,; ]\s*[0-9]", name):
        return ": write a row for each port"
    whole = re.match(_WRITTEN_OUT, text)
    return f": write {int(whole[1])}" if whole else ""
