"""The known behavior of one gateway."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

WEEK = 604_800
"""Seconds. WANIPConnection:2 grants no longer lease, and treats lifetime 0 as this value."""

DAY = 86_400
HOUR = 3_600

MAX_COMMENT = 64
PLAIN_COMMENT = 15
"""Maximum characters of a plain description; the strictest known gateway accepts 30."""


@attrs.define
class DeviceBehavior:
    """The known behavior of one gateway, learned from its answers.

    Attributes:
        permanent_only: it refused a finite lifetime and granted a permanent lease (M1).
        longest_lease: it refused longer leases and lifetime 0; None if unknown (M2, M22).
        plain_comments: it refused a description until it was short and without punctuation (M19).
        unique_comments: it refused a description that another entry has (M31).
        no_any_port: it has no AddAnyPortMapping (M8).
        shows_entries: it has shown an entry that it granted.
        extends_leases: a renewed entry has shown its full lifetime, so later renewals are not looked up.
        hides_entries: it holds entries that it does not show (M17).
    """

    permanent_only: bool = False
    longest_lease: int | None = None
    plain_comments: bool = False
    unique_comments: bool = False
    no_any_port: bool = False
    shows_entries: bool = False
    extends_leases: bool = False
    hides_entries: bool = False

    def lifetime(self, desired: int, *, is_v2: bool) -> int:
        """Return the lifetime to request; v2 treats 0 as its maximum, so request the maximum explicitly."""
        if self.permanent_only:
            return 0
        longest = self.longest_lease or (WEEK if is_v2 else None)
        return desired if longest is None else min(desired or longest, longest)


def other_lifetimes(refused: int) -> Iterator[int]:
    """Yield the lifetimes to try after a refused one: a week, a day, an hour, and a permanent lease."""
    yield from (shorter for shorter in (WEEK, DAY, HOUR) if not 0 < refused <= shorter)
    if refused:
        yield 0


def readable_comment(comment: str) -> str:
    """Return a description that most gateways accept: ASCII, short, not empty."""
    ascii_only = "".join(c if " " <= c <= "~" else "?" for c in comment)
    return ascii_only[:MAX_COMMENT].strip() or "portmapper"


def plain_comment(comment: str) -> str:
    """Return a description that every gateway accepts: a few letters, digits and blanks."""
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in comment.replace("'", ""))
    return " ".join(kept.split())[:PLAIN_COMMENT].strip() or "portmapper"


def unique_comment(comment: str, protocol: str, internal_port: int) -> str:
    """Return a plain description that no other mapping of this host has."""
    port = f" {protocol}{internal_port}"
    return plain_comment(comment)[: PLAIN_COMMENT - len(port)].strip() + port
