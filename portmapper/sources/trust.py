"""What a source may choose, and how much it may list: its limits beside the policy."""

from __future__ import annotations

import enum

import attrs

from portmapper.api.errors import quoted
from portmapper.support.values import frozen

MAX_MAPPINGS = 16_384
"""Default maximum number of mappings of one source. All unprivileged ports are more, and no gateway has room
for them."""

KEEP_SHARE = 0.2
"""Default share of its rows below which a list is not believed at once."""


class Trust(enum.StrEnum):
    """What a source may choose.

    Attributes:
        TAKE: replace the mapping of another host (`conflict = "overwrite"`).
        ADDRESSES: open ports to other hosts.
    """

    TAKE = "take"
    ADDRESSES = "addresses"


def read_trust(value: object) -> frozenset[Trust]:
    """Read a list of names from the settings file. Raises `ValueError`."""
    known = {"take": Trust.TAKE, "overwrite": Trust.TAKE, "addresses": Trust.ADDRESSES}
    trusted = []
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"{quoted(name)} is not one of {', '.join(Trust)}")
        trusted.append(known[name])
    return frozenset(trusted)


@frozen
class Limits:
    """The limits of one source.

    Attributes:
        trust: what the source may choose; None for everything if only this host's user writes it, else
            nothing.
        max_mappings: maximum number of mappings; a longer list is rejected as a whole.
        keep_share: if a list drops below this share of its rows, the old rows are kept for one interval.
    """

    trust: frozenset[Trust] | None = None
    max_mappings: int = MAX_MAPPINGS
    keep_share: float = KEEP_SHARE

    def for_kind(self, *, is_trusted: bool) -> Limits:
        """Return the limits with the trust of the source's kind, unless the operator set another."""
        if self.trust is not None:
            return self
        return attrs.evolve(self, trust=frozenset(Trust) if is_trusted else frozenset())
