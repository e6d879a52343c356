"""Limits of the probe server: per address and in total, in rate and in number."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import attrs

from portmapper.api.model import IPAddress

MAX_ADDRESSES = 10_000
"""Addresses whose use is remembered; of more, the least recent ones are forgotten."""


@attrs.frozen
class Rate:
    """How much may be used: `burst` at once, and `per_second` in the long run."""

    burst: float
    per_second: float


@attrs.frozen
class Limits:
    """All limits; the defaults let a host check 100 ports, and then one port every two seconds.

    Attributes:
        requests: requests of one address.
        ports: ports of one address.
        all_requests: requests of all addresses.
        all_ports: ports of all addresses.
        at_once: requests of one address at one time.
        all_at_once: requests of all addresses at one time.
    """

    requests: Rate = Rate(30, 0.5)
    ports: Rate = Rate(100, 0.5)
    all_requests: Rate = Rate(200, 20)
    all_ports: Rate = Rate(500, 50)
    at_once: int = 4
    all_at_once: int = 48


DEFAULT = Limits()


class TooMany(Exception):
    """A limit is reached; `wait` is the number of seconds until a retry makes sense."""

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = max(math.ceil(wait), 1)


class Buckets:
    """Token buckets of one rate, one for each key."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait(self, key: Hashable, amount: int) -> float:
        """Return the seconds until `amount` is available; 0 if it is now."""
        return max(amount - self._level(key), 0) / self._rate.per_second

    def take(self, key: Hashable, amount: int) -> None:
        """Use `amount`."""
        self._levels[key] = (self._level(key) - amount, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > MAX_ADDRESSES:
            self._levels.popitem(last=False)

    def _level(self, key: Hashable) -> float:
        level, at = self._levels.get(key, (self._rate.burst, self._clock()))
        return min(level + (self._clock() - at) * self._rate.per_second, self._rate.burst)


class Admission:
    """Decides whether a request may be served now."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._requests = (Buckets(limits.requests, clock), Buckets(limits.all_requests, clock))
        self._ports = (Buckets(limits.ports, clock), Buckets(limits.all_ports, clock))
        self._active: Counter[Hashable] = Counter()

    def count_request(self, peer: IPAddress) -> None:
        """Count a request, valid or not.

        Raises:
            TooMany: there were too many before.
        """
        _take(self._requests, network_of(peer), 1)

    @contextmanager
    def serving(self, peer: IPAddress, ports: int) -> Iterator[None]:
        """Count a request while it is served.

        Raises:
            TooMany: too many are being served, or too many ports were probed before.
        """
        key = network_of(peer)
        if self._active[key] >= self._limits.at_once or self._active.total() >= self._limits.all_at_once:
            raise TooMany(2)
        _take(self._ports, key, ports)
        self._active[key] += 1
        try:
            yield
        finally:
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]


def _take(buckets: tuple[Buckets, Buckets], key: Hashable, amount: int) -> None:
    own, total = buckets
    wait = max(own.wait(key, amount), total.wait(None, amount))
    if wait > 0:
        raise TooMany(wait)
    own.take(key, amount)
    total.take(None, amount)


def network_of(peer: IPAddress) -> Hashable:
    """Return what counts as one address: an IPv4 address, or the 64 bits of an IPv6 network."""
    return ("6", int(peer) >> 64) if peer.version == 6 else ("4", int(peer))
