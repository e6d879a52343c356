"""The schedule of retransmissions. Pure arithmetic, in seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_WAIT = 0.25
"""The first delay of RFC 6886 section 3.1. PCP's 3 s (RFC 6887 section 8.1.1) are meant for servers deep
inside a provider's network; a gateway is one hop away."""

URGENT_WAIT = 0.01
"""The first delay for a port that was just closed by the renewal of the other protocol: a lost packet must
not keep it closed for a quarter of a second. A LAN answers sooner, so usually one packet is enough."""

LONGEST_WAIT = 1.0
"""The longest delay. NAT-PMP's nine sends with doubled delays would take 64 s, but the scheduler retries
later anyway. Therefore the nine sends fit into the limit of one request. If a LAN loses every third packet
in both directions, one request in four hundred fails."""

LONGEST_URGENT_WAIT = 0.1
"""The longest delay of an urgent request. If a LAN loses every third packet, one port in a hundred would
otherwise stay closed for more than half a second; with this, it is one in five thousand."""

PCP_JITTER = 0.1
"""The factor RAND of RFC 6887 section 8.1.1."""

REQUEST_LIMIT = 8.0
PROBE_LIMIT = 3.0


def delays(limit: float, jitter: float = 0.0, *, urgent: bool = False) -> Iterator[float]:
    """Yield the seconds to wait after each send; `limit` seconds in total.

    Args:
        limit: seconds after which the request fails.
        jitter: the fraction by which each delay is randomly shortened or extended.
        urgent: from `URGENT_WAIT` up to `LONGEST_URGENT_WAIT`.
    """
    wait, longest = (URGENT_WAIT, LONGEST_URGENT_WAIT) if urgent else (FIRST_WAIT, LONGEST_WAIT)
    left = limit
    while left > 0:
        wait *= 1 + random.uniform(-jitter, jitter)
        # A send shortly before the end would leave no time for its answer.
        step = wait if left - wait > FIRST_WAIT else left
        yield step
        left -= step
        wait = min(2 * wait, longest)
