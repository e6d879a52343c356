"""The guard `etcd`: the daemon whose lease holds the key leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections.abc import Callable

from portmapper.api import Guard
from portmapper_etcd.client import Answer, Client, EtcdError, decoded, encoded, items, number
from portmapper_etcd.location import parse_location

LIFETIME = 3
"""Seconds that a lease lasts without a renewal."""

RENEWAL = 0.75
"""Seconds between two renewals."""

RETRY = 0.5
"""Seconds between two attempts of a follower."""

CAUTION = 0.5
"""Seconds before the end of the lease after which nothing is sent: clocks run at different speeds."""

REQUEST_LIMIT = 1.0
LONGEST_PAUSE = 10.0

_log = logging.getLogger(__name__)


class EtcdGuard(Guard):
    """`--lead-with etcd:http://HOST:PORT/NAME`.

    etcd creates the key for one lease only, and deletes it when that lease ends. The end is computed from the
    time before the renewal was sent, so it is never later here than at the server.
    """

    name = "etcd"
    release_margin = 1.0

    def __init__(self, location: str = "", now: Callable[[], float] = time.monotonic) -> None:
        """Take `http://HOST:PORT/NAME`.

        Raises:
            UsageError: the location is invalid.
        """
        super().__init__(location)
        parsed = parse_location(location)
        self._client = Client(parsed)
        self._key = encoded(parsed.key.encode())
        self._identity = socket.gethostname()
        self._now = now
        self._lease = 0
        self._revision = 0
        self._led_until = float("-inf")
        self._leader: str | None = None

    async def run(self) -> None:
        """Wait until the key is free, create it, and renew the lease until that fails."""
        await self._follow()
        self.leading.set()
        with contextlib.suppress(EtcdError):
            await self._lead()
        self.lost.set()

    def may_act(self, margin: float = 0.0) -> bool:
        """Return whether the lease lasts longer than the margin."""
        return not self.lost.is_set() and self._now() + margin < self._led_until

    @property
    def leader(self) -> str | None:
        """The host name that the leader wrote to the key."""
        return self._leader

    async def close(self) -> None:
        """End the lease, so that another daemon leads at once."""
        await super().close()
        self._led_until = float("-inf")
        lease, self._lease = self._lease, 0
        with contextlib.suppress(EtcdError):
            if lease:
                await self._client.call("lease/revoke", {"ID": str(lease)}, REQUEST_LIMIT)
        await self._client.close()

    async def _follow(self) -> None:
        """Return once this daemon holds the key; log a server that does not answer once."""
        pause, failed = RETRY, False
        while True:
            try:
                if await self._attempt():
                    return
            except EtcdError as error:
                if not failed:
                    _log.warning("cannot take part in the election, trying again: %s", error)
                pause, failed = min(2 * pause, LONGEST_PAUSE), True
            else:
                pause, failed = RETRY, False
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))

    async def _attempt(self) -> bool:
        """Create the key if it is free; a daemon that only waits writes nothing."""
        if await self._read() is not None:
            return False
        started = self._now()
        granted = await self._call("lease/grant", {"TTL": str(LIFETIME)})
        self._lease, lifetime = number(granted.get("ID")), number(granted.get("TTL"))
        absent = {"key": self._key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
        value = encoded(self._identity.encode())
        put = {"request_put": {"key": self._key, "value": value, "lease": str(self._lease)}}
        answer = await self._call("kv/txn", {"compare": [absent], "success": [put]})
        if not answer.get("succeeded"):
            await self._call("lease/revoke", {"ID": str(self._lease)})
            self._lease = 0
            return False
        header = answer.get("header")
        self._revision = number(header.get("revision")) if isinstance(header, dict) else 0
        self._leader, self._led_until = self._identity, started + lifetime - CAUTION
        return self.may_act()

    async def _lead(self) -> None:
        """Renew the lease until another daemon may lead; an error only matters when the lease is over."""
        while self.may_act():
            await asyncio.sleep(min(RENEWAL, max(0.0, self._led_until - self._now())))
            try:
                if not await self._renew():
                    return
            except EtcdError as error:
                _log.debug("the lease is not renewed: %s", error)
                await asyncio.sleep(RETRY / 2)

    async def _renew(self) -> bool:
        """Return whether the lease and the key are still ours."""
        started = self._now()
        answer = await self._call("lease/keepalive", {"ID": str(self._lease)})
        result = answer.get("result")
        lifetime = number(result.get("TTL")) if isinstance(result, dict) else 0
        if lifetime <= 0 or await self._read() != self._revision:
            return False
        self._led_until = max(self._led_until, started + lifetime - CAUTION)
        return True

    async def _read(self) -> int | None:
        """Read the key: note the leader's name, and return the revision that created the key."""
        entries = items(await self._call("kv/range", {"key": self._key}), "kvs")
        if not entries:
            self._leader = None
            return None
        self._leader = decoded(entries[0].get("value")).decode("utf-8", "replace")[:200] or None
        return number(entries[0].get("create_revision"))

    async def _call(self, path: str, message: Answer) -> Answer:
        """Send a request; a leader waits at most until its lease is over."""
        left = self._led_until - self._now()
        limit = min(REQUEST_LIMIT, left) if self.leading.is_set() else REQUEST_LIMIT
        return await self._client.call(path, message, max(limit, 0.01))
