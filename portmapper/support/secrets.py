"""Masks secrets in texts: those of URLs, and the values of headers that carry credentials.

In a URL, these are user information, query, fragment, and path segments that look like tokens.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

MASK = "***"

# Up to a space, quote or bracket. A URL in a message may be cut off or invalid.
_URL = r"""(?i)\b([a-z][a-z0-9+.-]{1,20})://([^\s"'<>\\^`{|}]+)"""
_ENCODED_URL = r"""(?i)%3a%2f%2f[^\s"'<>]+"""
_CREDENTIALS = r"(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token|secret)"
_HEADER = rf"""(?i)\b({_CREDENTIALS})(["']?\ *:\ *["']?)[^"'\r\n]+"""
_BEARER = r"(?i)\b(bearer) [a-z0-9+/=._~-]{16,}"
_NO_SCHEME = r"""(^|[\s"'(<])//[^\s/"'<>@]*@"""
_HOST = r"(?i)\[.*|[^:]*(?::(?:\d*[….]*|port))?|[0-9a-f.]*(?::[0-9a-f.]*){2,}"
"""What may stand between `//` and a path: an address, with a port that may be cut off."""

_TO_HOSTS = frozenset(("http", "https", "ws", "wss", "tcp", "udp", "ssh", "mqtt", "mqtts"))
"""Schemes of URLs that name a host, which may be a container's number."""

_TRAILING = ".,;:!?)]"
_WORD = r"[A-Za-z0-9]+"
_REVEALING = r"(?:access|auth|bot|hooks?|key|apikey|passw(?:or)?d|pw|secrets?|signature|tokens?|webhooks?)\Z"
_TELLTALE = r"(?i)secret|token|passw|api_?key"
_UUID = r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_LONGEST_WORD = 32
_ROUNDS = 50_000


def mask_urls(text: str) -> str:
    """Return a text with the secrets of each URL and each header in it masked."""
    if "//" in text:
        text = re.sub(_NO_SCHEME, rf"\1//{MASK}@", re.sub(_URL, _masked_match, text))
    if "%" in text:
        text = re.sub(_ENCODED_URL, f"%3A%2F%2F{MASK}", text)
    if ":" in text or " " in text:
        text = re.sub(_BEARER, rf"\1 {MASK}", re.sub(_HEADER, rf"\1\2{MASK}", text))
    return text


def mask_url(url: str) -> str:
    """Return a URL with its secrets masked; it need not be valid."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    end = min((place for place in map(rest.find, "/?#\\") if place >= 0), default=len(rest))
    host, path = rest[:end], rest[end:]
    _, at, host = host.rpartition("@")
    if not re.fullmatch(_HOST, host):
        return f"{scheme}://{MASK}"  # a password that was cut off, or with a slash
    if scheme.lower() not in _TO_HOSTS and looks_random(host):
        host = MASK  # Apprise writes tokens there, such as slack://TOKEN/TOKEN/TOKEN
    return f"{scheme}://{MASK + '@' if at else ''}{host}{_masked_path(path)}"


def distinct_location(url: str) -> str:
    """Return a masked URL that differs from that of every other URL, so that it can identify a source.

    The short mark at its end comes from a slow hash, so that it does not help to guess a password.
    """
    shown = mask_url(url)
    if shown == url:
        return url
    import hashlib  # loads OpenSSL

    digest = hashlib.pbkdf2_hmac("sha256", url.encode("utf-8", "replace"), b"portmapper", _ROUNDS)
    return f"{shown.partition('#')[0]}#{digest.hex()[:4]}"


def _masked_match(match: re.Match[str]) -> str:
    url = match[0].rstrip(_TRAILING)
    return mask_url(url) + match[0][len(url) :]


def _masked_path(path: str) -> str:
    before, mark, _ = path.partition("#")
    fragment = f"#{MASK}" if mark else ""
    before, mark, _ = before.partition("?")
    query = f"?{MASK}" if mark else ""
    segments = before.split("/")
    follows = False
    for place, segment in enumerate(segments):
        if segment and (follows or _is_token(segment)):
            segments[place] = MASK
        follows = follows or re.match(_REVEALING, segment.lower()) is not None
    return "/".join(segments) + query + fragment


def _is_token(segment: str) -> bool:
    """Return whether a path segment looks like a token instead of a name."""
    if re.match(_REVEALING, segment.lower()):
        return False
    if re.search(_TELLTALE, segment) or re.search(_UUID, segment) or any(mark in segment for mark in ":=;"):
        return True
    words = re.findall(_WORD, segment)
    if any(re.match(_REVEALING, word.lower()) for word in words[:-1]):
        return True
    joined = "".join(words)
    is_mixed = _changes(joined, str.isdigit) >= 6 or _changes(joined, str.isupper) >= 8
    return is_mixed or any(looks_random(word) for word in words)


def looks_random(word: str) -> bool:
    """Return whether a word of letters and digits looks like a token instead of a name."""
    digits = sum(character.isdigit() for character in word)
    letters = len(word) - digits
    if len(word) >= _LONGEST_WORD or (len(word) >= 16 and not letters):
        return True
    if len(word) >= 6 and _changes(word, str.isdigit) >= 3:
        return True
    if len(word) >= 8 and digits >= 2 and letters >= 2 and _changes(word, str.isdigit) >= 2:
        return True
    return len(word) >= 12 and _changes(word, str.isupper) >= 5


def _changes(word: str, kind: Callable[[str], bool]) -> int:
    """Return how often the characters change between two kinds."""
    return sum(first != second for first, second in itertools.pairwise(map(kind, word)))
