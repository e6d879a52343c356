"""Masks secrets in texts: those of URLs, values with a telling name or header, and those that are known.

In a URL, these are user information, query, fragment, and path segments that look like tokens.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping

MASK = "***"

# Up to a space, quote or bracket. A URL in a message may be cut off or invalid.
_URL = r"""(?i)\b([a-z][a-z0-9+.-]{1,20})://([^\s"'<>\\^`{|}]+)"""
_ENCODED_URL = r"""(?i)%3a%2f%2f[^\s"'<>]+"""
# Without one of its slashes or both: urllib and browsers accept it, and so people write it.
_MISTYPED_URL = r"""(?i)\b((?:https?|wss?|ftps?|mqtts?):/?)(?!/)(?=[^\s"'<>]{0,400}@)([^\s"'<>\\^`{|}]+)"""
_NO_SCHEME = r"""(^|[\s"'(<])//[^\s/"'<>@]*@"""
_USER = r"""(?<![^\s"'(<=])[^\s"'(<>@/:=]{1,128}:(?!\*\*\*@)[^\s"'<>@/]{1,256}@(?=[\w\[])"""
_REQUEST = r"""\b((?:GET|HEAD|POST|PUT|PATCH|DELETE|CONNECT|(?:[Uu][Rr][Ll]|[Ll]ocation):) )(/[^\s"'<>]*)"""

_TELLING = (
    *("passw", "pwd", "passphrase", "secret", "token", "key", "credential"),
    *("signature", "authorization", "cookie", "bearer", "basic"),
)
"""A text without any of these words has none of the following, which take longer to find."""

_CREDENTIALS = r"(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token|secret)"
_HEADER = rf"""(?i)\b({_CREDENTIALS})(["']?\ *:\ *["']?)[^"'\r\n]+"""
_BEARER = r"""(?i)\b(bearer) (?!(?:token|auth|scheme|realm|credential)[a-z]*\b)[\w.~+/=-]{6,}"""
# Unlike "basic authentication", Base64 has capitals or digits.
_BASIC = r"""\b([Bb]asic|BASIC) (?=[\w+/]*[A-Z0-9])[\w+/]{6,}=*"""
_NAMES = r"passw(?:or)?d|pwd|passphrase|secret|token|(?:api|access|private)[_-]?key|credentials?|signature"
_WORDS = (
    r"(?:is|are|not|no|must|may|can|cannot|has|contains|unknown|missing|invalid|expired|too|the|an?|of|use"
    r"|write|more)\b"
)
"""How a reason begins: in `password: is not a text`, the password is the name of a setting."""

_NAMED = (
    rf"(?i)((?:{_NAMES})[\"']?\ ?(?:[=:]|(?<![\ \"'])>)\ ?)(?!{_WORDS}|\*\*\*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s\"',;&<>)\]}]+)"
)

_HOST = (
    r"(?i)\[[0-9a-f:.]*(?:%[\w.-]*)?(?:\](?::\d*)?)?…?"
    r"|[^:\[]*(?::(?:\d*[….]*|port))?|[0-9a-f.]*(?::[0-9a-f.]*){2,}"
)
"""What may stand between `//` and a path: an address, with a port that may be cut off."""

_TO_HOSTS = frozenset(("http", "https", "ws", "wss", "tcp", "udp", "ssh", "mqtt", "mqtts"))
"""Schemes of URLs that name a host, which may be a container's number."""

_TRAILING = ".,;:!?)]"
_ROUNDS = 50_000

_WORD = r"[A-Za-z0-9]+"
_REVEALING = r"(?:access|auth|bot|hooks?|key|apikey|passw(?:or)?d|pw|secrets?|signature|tokens?|webhooks?)\Z"
_TELLTALE = r"(?i)secret|token|passw|api_?key"
_UUID = r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_LONGEST_WORD = 32

SHORTEST = 4
"""Shorter values are also ordinary words and numbers."""

SHORTEST_WORD = 8
"""Shorter words of small letters appear in ordinary messages."""

_ORDINARY = frozenset({"portmapper", "anonymous", "administrator", "password", "username"})
_TELLING_HEADER = r"(?i)auth|cookie|key|token|secret|pass|user|\bx-"
_MAX_KNOWN = 1000


class KnownSecrets:
    """Values to mask wherever they appear as a whole word."""

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """Mask these values from now on, also if they are encoded for a URL."""
        from urllib.parse import quote, unquote  # most runs know no secret

        for value in values:
            for form in (value, unquote(value), quote(value, safe="")):
                if form not in self._values and _is_unusual(form):
                    self._values[form] = None
                    self._pattern = None
        for oldest in [*self._values][:-_MAX_KNOWN]:
            del self._values[oldest]

    def clear(self) -> None:
        """Forget all values, for tests."""
        self._values.clear()
        self._pattern = None

    def masked(self, text: str) -> str:
        """Return a text with each known secret masked."""
        if not self._values:
            return text
        # Another thread may add a value at any time.
        pattern = self._pattern = self._pattern or _pattern([*self._values])
        return pattern.sub(MASK, text)


KNOWN = KnownSecrets()
"""Global, because the log is, and because a secret of one part must not appear in the text of another one."""


def mask_urls(text: str) -> str:
    """Return a text with each secret masked: of URLs, headers and named values, and the known ones."""
    text = KNOWN.masked(text)
    if "//" in text:
        text = re.sub(_NO_SCHEME, rf"\1//{MASK}@", re.sub(_URL, _masked_match, text))
    if " /" in text:
        text = re.sub(_REQUEST, lambda match: match[1] + _masked_path(match[2]), text)
    if "%" in text:
        text = re.sub(_ENCODED_URL, f"%3A%2F%2F{MASK}", text)
    if "@" in text:
        text = re.sub(_USER, f"{MASK}@", re.sub(_MISTYPED_URL, _masked_mistyped, text))
    words = text.lower()
    return _with_masked_values(text) if any(word in words for word in _TELLING) else text


def _with_masked_values(text: str) -> str:
    """Mask the values of headers, and those that have a telling name."""
    text = re.sub(_BEARER, rf"\1 {MASK}", re.sub(_HEADER, rf"\1\2{MASK}", text))
    return re.sub(_NAMED, rf"\1{MASK}", re.sub(_BASIC, rf"\1 {MASK}", text))


def mask_url(url: str) -> str:
    """Return a URL with its secrets masked; it need not be valid."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return re.sub(_MISTYPED_URL, _masked_mistyped, url)
    end = min((place for place in map(rest.find, "/?#\\") if place >= 0), default=len(rest))
    host, path = rest[:end], rest[end:]
    _, at, host = host.rpartition("@")
    if not re.fullmatch(_HOST, host):
        return f"{scheme}://{MASK}"  # a password that was cut off, or with a slash
    if _is_secret_host(scheme, host):
        host = MASK
    return f"{scheme}://{MASK + '@' if at else ''}{host}{_masked_path(path)}"


def remember(secret: str) -> None:
    """Mask a secret, or the secrets of a URL, from now on: a server or a library may repeat them."""
    if "://" not in secret:
        KNOWN.add([secret])
        return
    from urllib.parse import parse_qsl, urlsplit

    try:
        parts = urlsplit(secret)
        user = (parts.username or "", parts.password or "")
    except ValueError:
        return
    host = parts.netloc.rpartition("@")[2]
    segments = parts.path.split("/")
    query = (value for name, value in parse_qsl(parts.query) if _is_revealing(name) or _is_token(value))
    KNOWN.add([*user, *query, *(segments[place] for place in _secret_places(segments))])
    if _is_secret_host(parts.scheme, host):
        KNOWN.add([host])


def _is_secret_host(scheme: str, host: str) -> bool:
    """Return whether a token is where a host should be: Apprise writes slack://TOKEN/TOKEN/TOKEN."""
    return scheme.lower() not in _TO_HOSTS and looks_random(host)


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


def _masked_mistyped(match: re.Match[str]) -> str:
    masked = mask_url(f"x-https://{match[2]}")
    return match[1] + masked.removeprefix("x-https://")


def _masked_path(path: str) -> str:
    before, mark, _ = path.partition("#")
    fragment = f"#{MASK}" if mark else ""
    before, mark, _ = before.partition("?")
    query = f"?{MASK}" if mark else ""
    segments = before.split("/")
    for place in _secret_places(segments):
        segments[place] = MASK
    return "/".join(segments) + query + fragment


def _secret_places(segments: list[str]) -> list[int]:
    """Return the places of path segments that look like tokens, or follow a revealing one."""
    places, follows = [], False
    for place, segment in enumerate(segments):
        if segment and (follows or _is_token(segment)):
            places.append(place)
        follows = follows or _is_revealing(segment)
    return places


def _is_revealing(segment: str) -> bool:
    """Return whether a secret follows a path segment, or the name of a value in a query."""
    return re.match(_REVEALING, segment.lower()) is not None


def _is_token(segment: str) -> bool:
    """Return whether a path segment looks like a token instead of a name."""
    if _is_revealing(segment):
        return False
    if re.search(_TELLTALE, segment) or re.search(_UUID, segment) or any(mark in segment for mark in ":=;"):
        return True
    words = re.findall(_WORD, segment)
    if any(map(_is_revealing, words[:-1])):
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


def credentials_in(headers: Mapping[str, str]) -> list[str]:
    """Return what may be secret in HTTP headers: the values with a telling name, and their words.

    The first word is the scheme of an authorization, or the name of a cookie.
    """
    values = [value for name, value in headers.items() if re.search(_TELLING_HEADER, name)]
    return [*values, *(word for value in values for word in re.split(r"[ =;,]+", value)[1:])]


def masked_parts(text: str, url: str) -> str:
    """Return a text that concerns a URL without all of its parts but scheme and host, whatever they mean.

    Error texts of the library and answers of the server may repeat the URL, or a part of it.
    """
    parts = _parts(url)
    return _pattern(parts).sub(MASK, text) if parts else text


def _parts(url: str) -> set[str]:
    from urllib.parse import parse_qsl, unquote, urlsplit

    try:
        parts = urlsplit(url)
        user = {parts.username or "", parts.password or ""}
    except ValueError:
        return set()
    query = {text for pair in parse_qsl(parts.query, keep_blank_values=True) for text in pair}
    found = {parts.path, parts.query, f"{parts.path}?{parts.query}", *parts.path.split("/"), *query, *user}
    found |= set(re.split("[&=]", parts.query))
    return {form for part in found for form in (part, unquote(part)) if len(form) >= SHORTEST}


def _pattern(values: Iterable[str]) -> re.Pattern[str]:
    """Match each value as a whole word. The longest is first: a short one may be part of it."""
    texts = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{texts})(?![A-Za-z0-9])")


def _is_unusual(value: str) -> bool:
    if len(value) < SHORTEST or value.lower() in _ORDINARY:
        return False
    return len(value) >= SHORTEST_WORD or not (value.isalpha() and value.islower())
