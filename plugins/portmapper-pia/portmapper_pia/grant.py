"""The port that the provider granted: a payload, signed by the provider, that any of its gateways accepts."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

import attrs

MAX_PAYLOAD = 8192
MAX_SIGNATURE = 4096
MAX_DAYS = 366
"""The provider grants ports for two months; a time far away is a damaged answer."""


@attrs.frozen
class Grant:
    """A granted port.

    Attributes:
        payload: what the provider signed, in Base64; it contains the account's token.
        signature: the provider's signature.
        port: the granted port.
        expires: when the provider takes the port back.
    """

    payload: str = attrs.field(repr=False)
    signature: str = attrs.field(repr=False)
    port: int
    expires: datetime

    def seconds_left(self, now: datetime) -> float:
        """Return for how long the grant is valid."""
        return (self.expires - now).total_seconds()


def read_grant(answer: object, now: datetime) -> Grant:
    """Read an answer, or what was kept of one: a JSON object with `payload` and `signature`.

    Raises:
        ValueError: it is not a valid grant; the text says why.
    """
    fields = answer if isinstance(answer, dict) else {}
    payload = _text(fields.get("payload"), MAX_PAYLOAD, "payload")
    signature = _text(fields.get("signature"), MAX_SIGNATURE, "signature")
    content = _content(payload)
    port = content.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise ValueError("its payload has no port")
    grant = Grant(payload, signature, port, _time(content.get("expires_at")))
    if not 0 < grant.seconds_left(now) < MAX_DAYS * 86400:
        raise ValueError("its payload is not valid at this time")
    return grant


def _text(value: object, limit: int, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isascii():
        raise ValueError(f"it has no {name}")
    return value


def _content(payload: str) -> dict[str, object]:
    try:
        content: object = json.loads(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise ValueError("its payload is damaged") from None
    if not isinstance(content, dict):
        raise ValueError("its payload is damaged")
    return content


def _time(value: object) -> datetime:
    text = value if isinstance(value, str) and len(value) <= 64 else ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("its payload has no valid expires_at") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
