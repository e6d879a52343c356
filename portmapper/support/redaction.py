"""Replaces what identifies a person, a host or a network in a text, for reports that are published.

Equal values get equal substitutes, so a reader can still follow one address through a report.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path

from portmapper.support.address_spellings import replace_spellings
from portmapper.support.directory_names import without_directories
from portmapper.support.link_names import is_common_link
from portmapper.support.secrets import MASK, looks_random, mask_urls

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,20})(://(?:\*\*\*@)?)([^\s/:\[\]?#\"'<>]*)(:[^\s/?#\"'<>]*)?([^\s\"'<>]*)",
    re.IGNORECASE,
)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)*")
_NAME_OF_UPNP = re.compile(r"(?<=uuid:)(?!<)[^\s:\"'<>]+", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_MAC = re.compile(
    r"(?<![0-9a-f:])(?:[0-9a-f]{1,2}([:-]))(?:[0-9a-f]{1,2}\1){4,6}[0-9a-f]{1,2}(?![0-9a-f:])"
    r"|\b(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}\b"
    r"|\b[0-9a-f]{6}-[0-9a-f]{6}\b"
    r"|\b(?:[0-9a-f]{2} ){5}[0-9a-f]{2}\b"
    r"|\b[0-9a-f]{1,4}:[0-9a-f]{0,2}ff:fe[0-9a-f]{2}:[0-9a-f]{1,4}\b"  # the second half of an IPv6 address
    r"|\b(?:enx|wlx)?[0-9a-f]{12}(?:[0-9a-f]{4})?\b",  # also in the name of an interface
    re.IGNORECASE,
)
_IPV6 = re.compile(r"[0-9a-f.]{0,40}:[0-9a-f:.]{1,60}", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![0-9])(?:\d{1,3}\.){3}\d{1,3}(?![0-9])")
_DASHED_IPV6 = re.compile(
    r"(?<![\w-])[0-9a-f]{1,4}(?:-[0-9a-f]{1,4}){0,6}--(?:[0-9a-f]{1,4}(?:-[0-9a-f]{1,4}){0,6})?(?![\w-])",
    re.IGNORECASE,
)
_DASHED_IPV4 = re.compile(r"(?<![0-9])(?:\d{1,3}[-_]){3}\d{1,3}(?![0-9])")
_HOME = re.compile(
    r"(?<![\w.])((?:[A-Za-z]:)?[/\\]+(?:home|Users|var/home|run/user))([/\\]+)"
    r"((?<=\\)[^/\\:\"'\r\n]{1,64}(?=\\)|[^/\\\s:\"']+)",
    re.IGNORECASE,
)
_OTHER_HOME = re.compile(r"(?<![\w/~])~[\w.-]+")
_SHARE = re.compile(r"(?<![\w:/\\])(\\\\|//)(\w[\w.-]{0,62})(?=[/\\])")
_ZONE = re.compile(r"(<[a-z-]*ipv6-\d+>%(?:25)?)([\w.-]{1,15})")
_NAMED_HOST = re.compile(
    r"\b(host(?:[ _-]?name)?\"?(?:=|: ?)\"?)((?=[\w-]*[a-z])[\w-]{2,63})\b(?![.:])", re.IGNORECASE
)
_NAME_OF_DEVICE = re.compile(
    r"\b(?:(?:DESKTOP|LAPTOP|WIN)-[A-Z0-9]{6,11}|[\w-]{1,50}-(?:iPhone|iPad|iMac|MacBook(?:-\w+)?|PC|NAS|Laptop))\b",
    re.IGNORECASE,
)
_CONTAINER = re.compile(
    r"(\bcontainer(?:[ _-]?name)?(?:[\"']?\s{0,3}[:=]\s{0,3}|\s)[\"']?)"
    r"(?!(?:and|can|engine|for|has|id|image|in|is|may|name|names|network|of|on|port|ports|that|to|was|with)\b)"
    r"(\w[\w.-]{1,63})",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b((?:for|as|by|of) user |logged in as )([\w.-]{2,64})", re.IGNORECASE)
_HOST_OF_JOURNAL = re.compile(
    r"((?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,16}) )([\w.-]{1,64})"
    r"(?= [\w@.-]{1,64}\[\d+\]:)"
)
_NAMED_SECRET = re.compile(
    r"((?:passw(?:or)?d|passwd|passphrase|secret|token|api[_-]?key|authorization|cookie|credentials?|psk|user"
    r"(?:name)?|(?<![a-z])(?:login|uid|pin|s/?n)|serial(?:[ _-]?(?:number|no\.?))?)"
    r"[\"']?(?:\s{0,9}[:=]\s{0,9}|(?<=no\.)\s|>))"
    r"(?:\"[^\"]*\"|'[^']*'|[\"']?(?:(?:bearer|basic|token|digest)\s+)?[^\s\"',;}\]<]+)",
    re.IGNORECASE,
)
_SECRET_OPTION = re.compile(
    r"(--[a-z-]{0,40}(?:passw(?:or)?d|passphrase|secret|token|key|user(?:name)?)\s+)(?!-)\S+", re.IGNORECASE
)
_SPOKEN_SECRET = re.compile(
    r"\b(passw(?:or)?d|passphrase|token|secret|pin|serial(?: number| no\.?)?)( is | )(?!is\b)(?=\S*\d)\S+",
    re.IGNORECASE,
)
_TOKEN_OF_SERVICE = re.compile(
    r"\b(?:xox[a-z]-|A[KS]IA(?=[A-Z0-9]{8})|gh[a-z]_|github_pat_|glpat-|sk[-_](?=\w*\d)|eyJ(?=[\w-]*\.))[\w.-]{4,}"
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_HOST = re.compile(r"(?<![\w.-])(?:\w(?:[\w-]{0,62})\.)+[^\W\d_](?:[^\W_]|-){1,62}\b")
_REVERSE_NAME = re.compile(r"\b(?:[0-9a-f]{1,3}\.){1,32}(?:in-addr|ip6)\.arpa\b", re.IGNORECASE)
_ESCAPED = re.compile("%(2f|3a|40|5b|5d)", re.IGNORECASE)
_DEFUSED_DOT = re.compile(r"\[\.\]|\(\.\)")
"""How some programs write a dot, so that no other program makes a link of a host."""
_NAME_OF_NETWORK = re.compile(
    r"((?<![a-z])[eb]?ssid[\"']?\s{0,9}[:=]\s{0,9}|(?:wi-?fi|wlan)[ _-]?name[\"']?\s{0,9}[:=]?\s{0,9}"
    r"|friendly[ _-]?name[\"']?(?:\s{0,9}[:=]\s{0,9}|>|\s))(\"[^\"]*\"|'[^']*'"
    r"|[^\n,;<\"']{1,64}?(?=\s+\w+[\"']?\s?[:=]|[\n,;<\"']|\Z))",
    re.IGNORECASE,
)
_PORT = re.compile(r"(?::[0-9]{0,5})?[.,;:!?)]*")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_-]{16,}")
_MODULE_OF_PLUGIN = re.compile(r"portmapper_[a-z_]+\.[a-z_]+")

FILE_SUFFIXES = (
    *("conf", "crt", "csv", "db", "json", "key", "log", "pem", "pid", "plist", "ports", "service", "sock"),
    *("socket", "sqlite3", "toml", "txt", "xml", "yaml", "yml", "zip", "py", "whl", "so", "exe", "dll", "sh"),
)
"""Last parts of words with dots that are file names and not host names."""

ALSO_DOMAINS = ("py", "sh", "so", "zip")
"""Those that are top-level domains, too: with more than one dot, a word is a host name."""

SHOWN_SCHEMES = frozenset(
    {"http", "https", "file", "unix", "npipe", "tcp", "udp", "ssh", "mqtt", "mqtts", "ws", "wss", "ftp"}
)
"""Schemes of URLs whose paths are shown, except parts that look like tokens."""

SHOWN_ADDRESSES = frozenset({"0.0.0.0", "255.255.255.255", "::", "::1", "239.255.255.250"})
"""Addresses that are the same everywhere. Multicast and 127.0.0.0/8 are shown too."""

GENERIC_NAMES = frozenset({"root", "portmapper", "user", "users", "nobody", "daemon", "localhost", "home"})
"""Names that many hosts have, so they identify none; replacing them would damage the text."""

_PACKAGE = Path(__file__).parents[1]

SHORTEST_NAME = 2
SHORTEST_SECRET = 4
LONGEST_NAME = 32


class Redactor:
    """Masks addresses, names and secrets in texts, always in the same way."""

    def __init__(
        self, secrets: Iterable[str] = (), names: Iterable[tuple[str, str]] = (), home: str = ""
    ) -> None:
        """Prepare the known values.

        Args:
            secrets: values that are masked wherever they appear.
            names: pairs of a value, such as this host's name, and what replaces it.
            home: the home directory of the user.
        """
        self._seen: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._home = _home_pattern(home)
        self._known = [*((secret, MASK) for secret in _useful(secrets, SHORTEST_SECRET))]
        # The longest first: a short one may be part of a longer one.
        self._known.sort(key=lambda pair: -len(pair[0]))
        self._names = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE), substitute)
            for name, substitute in sorted(names, key=lambda pair: -len(pair[0]))
            if len(name) >= SHORTEST_NAME and name.lower() not in GENERIC_NAMES
        ]

    def redact(self, text: str) -> str:
        """Return the text with everything identifying replaced."""
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), self._without_known(text))
        text = _DEFUSED_DOT.sub(".", text)
        text = _URL.sub(self._url, mask_urls(text))
        text = _BEARER.sub(rf"\1 {MASK}", _NAMED_SECRET.sub(rf"\1{MASK}", text))
        text = _NAME_OF_NETWORK.sub(rf"\1{MASK}", text)
        text = _SECRET_OPTION.sub(rf"\1{MASK}", text)
        text = _TOKEN_OF_SERVICE.sub(MASK, _SPOKEN_SECRET.sub(rf"\1\2{MASK}", text))
        text = self._without_names_of_places(text)
        text = _MAIL.sub(lambda match: self._substitute("mail", match[0]), text)
        text = _REVERSE_NAME.sub(lambda match: self._substitute("host", match[0].lower()), text)
        text = _UUID.sub(lambda match: self._substitute("uuid", match[0].lower()), text)
        text = _NAME_OF_UPNP.sub(lambda match: self._substitute("uuid", match[0].lower()), text)
        text = replace_spellings(text, self._address, lambda number: self._substitute("number", number))
        text = _MAC.sub(lambda match: self._substitute("mac", match[0].lower()), text)
        text = _DASHED_IPV6.sub(lambda match: match[0].replace("-", ":"), text)
        text = _IPV6.sub(self._ipv6, text)
        text = _IPV4.sub(self._ipv4, text)
        text = _DASHED_IPV4.sub(self._ipv4, _HOST.sub(self._host, text))
        text = _ZONE.sub(_zone, text)
        text = _NAMED_HOST.sub(lambda match: match[1] + self._substitute("host", match[2].lower()), text)
        text = _NAME_OF_DEVICE.sub(lambda match: self._substitute("host", match[0].lower()), text)
        for pattern, substitute in self._names:
            text = pattern.sub(substitute, text)
        return _LONG_WORD.sub(_without_token, text)

    def _without_names_of_places(self, text: str) -> str:
        """Replace the hosts of the journal and of Windows shares, and the owners of home directories."""
        text = _HOST_OF_JOURNAL.sub(lambda match: match[1] + self._substitute("host", match[2].lower()), text)
        text = _SHARE.sub(lambda match: match[1] + self._substitute("host", match[2].lower()), text)
        text = _CONTAINER.sub(lambda match: match[1] + self._substitute("container", match[2].lower()), text)
        text = _PERSON.sub(r"\1user", text)
        text = _HOME.sub(r"\1\2user", _OTHER_HOME.sub("~user", text))
        return without_directories(text, lambda name: self._substitute("directory", name))

    def _without_known(self, text: str) -> str:
        for value, substitute in self._known:
            text = text.replace(value, substitute)
        return self._home.sub("~", text) if self._home else text

    def _substitute(self, kind: str, value: str) -> str:
        key = (kind, value)
        if key not in self._seen:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._seen[key] = f"<{kind}-{self._counts[kind]}>"
        return self._seen[key]

    def _address(self, address: IPAddress) -> str:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if mapped is not None:
            return f"::ffff:{self._address(mapped)}"
        if str(address) in SHOWN_ADDRESSES or address.is_multicast:
            return str(address)
        if address.version == 4 and address.is_loopback:
            return str(address)
        return self._substitute(_kind(address), str(address))

    def _ipv4(self, match: re.Match[str]) -> str:
        numbers = [int(part) for part in re.split(r"[._-]", match[0])]
        if any(number > 255 for number in numbers):
            return match[0]
        return self._address(ipaddress.IPv4Address(bytes(numbers)))

    def _ipv6(self, match: re.Match[str]) -> str:
        """Replace the longest IPv6 address in a run of its characters: a port or a word may adjoin it."""
        parts = match[0].split(":")
        for length in range(min(len(parts), 9), 2, -1):
            for start in range(len(parts) - length + 1):
                text = ":".join(parts[start : start + length]).rstrip(".")
                if (address := _parsed(text)) is not None:
                    before, _, after = match[0].partition(text)
                    return before + self._address(address) + _IPV6.sub(self._ipv6, after)
        return match[0]

    def _host(self, match: re.Match[str]) -> str:
        name = match[0].lower()
        if _is_file(name) or _is_module(name):
            return match[0]
        return self._substitute("host", name)

    def _url(self, match: re.Match[str]) -> str:
        """Replace the host. In URLs of chat services, such as `tgram://TOKEN/CHAT`, all parts are secret."""
        scheme, mark, host, port, rest = match.groups(default="")
        is_number = _IPV4.fullmatch(host) is not None
        shown = (
            host if not host or is_number or host == "localhost" else self._substitute("host", host.lower())
        )
        if not _PORT.fullmatch(port):
            port = f":{MASK}"
        return f"{scheme}{mark}{shown}{port}{rest if scheme.lower() in SHOWN_SCHEMES or not rest else MASK}"


def _zone(match: re.Match[str]) -> str:
    return match[0] if is_common_link(match[2]) or match[2].isdigit() else f"{match[1]}<interface>"


def _is_file(name: str) -> bool:
    suffix = name.rpartition(".")[2]
    return suffix in FILE_SUFFIXES and (suffix not in ALSO_DOMAINS or name.count(".") == 1)


def _is_module(name: str) -> bool:
    """Return whether a name is a module of ours, and not a host such as `portmapper.example.org`."""
    if _MODULE_OF_PLUGIN.fullmatch(name):
        return True
    package, *parts = name.split(".")
    place = _PACKAGE.joinpath(*parts)
    return package == _PACKAGE.name and (place.is_dir() or place.with_suffix(".py").is_file())


def _kind(address: IPAddress) -> str:
    version = f"ipv{address.version}"
    if address.is_link_local:
        return f"link-local-{version}"
    if address in ipaddress.ip_network("100.64.0.0/10"):
        return f"cgnat-{version}"
    return f"{'private' if address.is_private else 'public'}-{version}"


def _parsed(text: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def _home_pattern(home: str) -> re.Pattern[str] | None:
    """Match the home directory, but not `/root` in `/rootDesc.xml`."""
    return re.compile(rf"{re.escape(home)}(?![\w.-])") if len(home) > 1 else None


def _useful(values: Iterable[str], shortest: int) -> Iterable[str]:
    return {value for value in values if len(value) >= shortest}


def _without_token(match: re.Match[str]) -> str:
    return MASK if any(map(_is_token, re.split(r"[/_=+-]", match[0]))) else match[0]


def _is_token(word: str) -> bool:
    """Return whether a word is a token; a name in camel case, as of a UPnP device, has no digits."""
    return looks_random(word) and (any(map(str.isdigit, word)) or len(word) >= LONGEST_NAME)
