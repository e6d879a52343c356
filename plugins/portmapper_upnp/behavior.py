"""The known behavior of one gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

WEEK = 604_800
"""Seconds. WANIPConnection:2 grants no longer lease, and treats lifetime 0 as this value."""

DAY = 86_400
HOUR = 3_600
SHORT_LEASES = (600, 60)
"""Seconds. Tried last, because a short lease costs many renewals."""

ANY_HOSTS = ("0.0.0.0", "*")
"""Remote hosts that mean every host on gateways that reject an empty one (M33)."""

MAX_COMMENT = 64
PLAIN_COMMENT = 15
"""Maximum characters of a plain description; the strictest known gateway accepts 30."""

TINY_COMMENT = 8
"""Maximum characters of the last description that is tried: a word without digits."""


@attrs.define
class DeviceBehavior:
    """The known behavior of one gateway, learned from its answers.

    Attributes:
        permanent_only: it refused a finite lifetime and granted a permanent lease (M1).
        longest_lease: it refused longer leases and lifetime 0; None if unknown (M2, M22).
        shortest_lease: it refused shorter leases; None if unknown (M32).
        any_host: how it writes a remote host that means every host; empty as in the standard (M33).
        plain_comments: it refused a description until it was short and without punctuation (M19).
        tiny_comments: it refused a description until it was one short word (M34).
        unique_comments: it refused a description that another entry has (M31).
        no_any_port: it has no AddAnyPortMapping (M8).
        shows_entries: it has shown an entry that it granted.
        extends_leases: a renewed entry has shown its full lifetime, so later renewals are not looked up.
        hides_entries: it holds entries that it does not show (M17).
    """

    permanent_only: bool = False
    longest_lease: int | None = None
    shortest_lease: int | None = None
    any_host: str = ""
    plain_comments: bool = False
    tiny_comments: bool = False
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
        lifetime = desired if longest is None else min(desired or longest, longest)
        return max(lifetime, self.shortest_lease or 0) if lifetime else 0

    def learn_lifetime(self, refused: int, granted: int) -> None:
        """Remember which lifetime was granted after another one was refused; 0 is a permanent lease."""
        if 0 < refused < granted:
            self.shortest_lease = granted
            return
        self.permanent_only = granted == 0
        self.longest_lease = granted or None


def other_lifetimes(refused: int) -> Iterator[int]:
    """Yield the lifetimes to try after a refused one.

    First a week, a day or an hour, if shorter, and a permanent lease; then longer and very short ones (M32).
    """
    yield from (shorter for shorter in (WEEK, DAY, HOUR) if not 0 < refused <= shorter)
    if refused:
        yield 0
        yield from (longer for longer in (DAY, WEEK) if longer > refused)
    yield from (short for short in SHORT_LEASES if not 0 < refused <= short)


def readable_comment(comment: str) -> str:
    """Return a description that most gateways accept: ASCII, short, not empty."""
    ascii_only = "".join(c if " " <= c <= "~" else "?" for c in comment)
    return ascii_only[:MAX_COMMENT].strip() or "portmapper"


def plain_comment(comment: str) -> str:
    """Return a description that every gateway accepts: a few letters, digits and blanks."""
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in comment.replace("'", ""))
    return " ".join(kept.split())[:PLAIN_COMMENT].strip() or "portmapper"


def tiny_comment(comment: str) -> str:
    """Return a description for gateways that reject a plain one: one short word of letters."""
    words = re.findall("[A-Za-z]+", comment)
    return words[0][:TINY_COMMENT] if words else "portmap"


def unique_comment(comment: str, protocol: str, internal_port: int) -> str:
    """Return a plain description that no other mapping of this host has."""
    port = f" {protocol}{internal_port}"
    return plain_comment(comment)[: PLAIN_COMMENT - len(port)].strip() + port
