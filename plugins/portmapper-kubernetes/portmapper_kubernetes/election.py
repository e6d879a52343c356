"""Leader election over a Lease object.

A leader steps down before any other replica may lead, also if its process was suspended: the time of each
renewal is read before its request is sent, and every packet for a gateway is checked against it. Clocks of
other machines do not matter: a replica considers a Lease expired if it has not seen it change for as long as
the Lease lasts.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

from portmapper.api import Guard
from portmapper.support.wall_clock import wall_now
from portmapper_kubernetes.api_errors import CONFLICT, NOT_FOUND, ApiFailure

if TYPE_CHECKING:
    from portmapper_kubernetes.api_server import ApiServer

_GROUP = "coordination.k8s.io/v1"
_log = logging.getLogger(__name__)


@attrs.frozen
class ElectionOptions:
    """Options of the election, with the names of client-go.

    Attributes:
        identity: name of this replica.
        lease_duration: seconds for which other replicas wait after the last renewal that they saw.
        renew_deadline: seconds after the last successful renewal when the leader steps down.
        retry_period: seconds between two renewals or attempts.
        name: name of the Lease.
        namespace: namespace of the Lease.
    """

    identity: str
    lease_duration: float = 3.0
    renew_deadline: float = 2.0
    retry_period: float = 0.5
    name: str = "portmapper"
    namespace: str = "portmapper"


class LeaseGuard(Guard):
    """This replica's part in the election.

    Attributes:
        release_margin: extra margin for a request that closes a port.
    """

    name = "kubernetes"

    def __init__(
        self,
        server: ApiServer,
        options: ElectionOptions,
        take_over: Callable[[float], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
        may_lead: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare, and send nothing.

        Args:
            server: the API server; other requests must not delay those of the election.
            options: names and times.
            take_over: reads what the last leader left, within a number of seconds.
            monotonic: the clock.
            may_lead: whether this host can lead, such as while it carries the virtual address.
        """
        super().__init__(f"{options.namespace}/{options.name}")
        self.release_margin = options.renew_deadline
        self._server = server
        self._options = options
        self._take_over = take_over
        self._monotonic = monotonic
        self._may_lead = may_lead
        self._path = f"apis/{_GROUP}/namespaces/{options.namespace}/leases"
        self._lease: dict[str, Any] = {}
        self._seen_at = -math.inf
        self._renewed_at = -math.inf
        self._error = ""

    @property
    def leader(self) -> str | None:
        """Name of the replica that leads."""
        return str(_spec(self._lease).get("holderIdentity") or "") or None

    def may_act(self, margin: float = 0.0) -> bool:
        """Return whether this replica leads, and no other may lead within `margin` seconds."""
        if self.lost.is_set() or not self.leading.is_set():
            return False
        now, options = self._monotonic(), self._options
        in_term = now < self._renewed_at + options.renew_deadline
        return in_term and now + margin < self._renewed_at + options.lease_duration

    async def run(self) -> None:
        """Take part until leadership is lost."""
        while not await self._acquire():  # noqa: ASYNC110 - the Lease is polled
            await asyncio.sleep(self._pause())
        await self._begin()
        while not self.lost.is_set():
            await asyncio.sleep(self._options.retry_period)
            await (self._renew() if self._may_lead() else self._hand_over())

    async def close(self) -> None:
        """Write an empty holder, so that another replica leads at once."""
        await self._release()
        await self._server.close()

    async def _release(self) -> None:
        was_leading = self.may_act()
        self._renewed_at = -math.inf
        if was_leading:
            try:
                await self._write(holder="", limit=self._options.renew_deadline)
            except ApiFailure as failure:
                _log.warning("cannot release the Lease %s: %s", self.location, failure)

    # Following

    def _pause(self) -> float:
        """Return the seconds until the next attempt: at the latest when the Lease may have expired."""
        left = self._seen_at + self._duration() - self._monotonic()
        return min(self._options.retry_period, left) if left > 0.01 else self._options.retry_period

    def _duration(self) -> float:
        written = _spec(self._lease).get("leaseDurationSeconds")
        own = self._options.lease_duration
        return max(own, float(written)) if isinstance(written, int) else own

    async def _acquire(self) -> bool:
        """Try once to become the leader."""
        try:
            if not await self._look() or not self._may_lead():
                return False
            started = self._monotonic()
            await self._write(holder=self._options.identity, limit=self._options.renew_deadline)
        except ApiFailure as failure:
            self._report(failure, "cannot take part in the election")
            return False
        self._renewed_at = started
        return True

    async def _look(self) -> bool:
        """Read the Lease, and return whether this replica may take it."""
        try:
            found = await self._server.request(
                "GET", f"{self._path}/{self._options.name}", limit=self._options.renew_deadline
            )
        except ApiFailure as failure:
            if failure.status != NOT_FOUND:
                raise
            found = {}
        if _spec(found) != _spec(self._lease) or not self._lease:
            self._seen_at = self._monotonic()
        before, self._lease = self.leader, found
        if self.leader is not None and self.leader != before:
            _log.info("on standby: %s leads", self.leader)
        self._error = ""
        return self.leader is None or self._monotonic() >= self._seen_at + self._duration()

    async def _begin(self) -> None:
        """Read what the last leader left, then lead. Without an answer, lead without it: ports come first."""
        limit = min(self._options.retry_period, self._options.renew_deadline / 2)
        try:
            await self._take_over(limit)
        except ApiFailure as failure:
            _log.warning("cannot read what the last leader left: %s", failure)
        _log.info("%s leads", self._options.identity)
        self.leading.set()

    # Leading

    async def _renew(self) -> None:
        """Renew once; step down if the deadline has passed."""
        started, deadline = self._monotonic(), self._renewed_at + self._options.renew_deadline
        if started < deadline:
            limit = min(deadline - started, max(self._options.renew_deadline / 2, 0.1))
            try:
                await self._write(holder=self._options.identity, limit=limit)
            except ApiFailure as failure:
                self._report(failure, f"cannot renew the Lease {self.location}")
                if failure.status == CONFLICT and not await self._still_holds():
                    self._step_down("another replica took the Lease")
            else:
                self._renewed_at = started
                self._error = ""
        if self._monotonic() >= self._renewed_at + self._options.renew_deadline:
            self._step_down("the API server did not confirm the renewal in time")

    async def _hand_over(self) -> None:
        """Let the host lead that has the virtual address now."""
        await self._release()
        self._step_down("this host no longer has the address of --lead-with-address")

    async def _still_holds(self) -> bool:
        """Return whether the Lease is still in our term: an answer was lost, or a label was changed."""
        before = _term(self._lease)
        try:
            found = await self._server.request(
                "GET", f"{self._path}/{self._options.name}", limit=self._options.renew_deadline / 2
            )
        except ApiFailure:
            return True  # the deadline decides
        self._lease = found
        return _term(found) == before

    def _step_down(self, reason: str) -> None:
        if not self.lost.is_set():
            _log.error("leadership lost: %s", reason)
        self._renewed_at = -math.inf
        self.lost.set()

    def _report(self, failure: ApiFailure, what: str) -> None:
        if failure.status != CONFLICT and self._error != str(failure):
            self._error = str(failure)
            _log.warning("%s: %s; trying again", what, failure)

    # The Lease

    async def _write(self, holder: str, limit: float) -> None:
        """Write the Lease, if it is still as it was read."""
        spec = self._next_spec(holder)
        if self._lease:
            path = f"{self._path}/{self._options.name}"
            changed = {**self._lease, "spec": spec}
            self._lease = await self._server.request("PUT", path, body=changed, limit=limit)
        else:
            metadata = {"name": self._options.name, "namespace": self._options.namespace}
            created = {"apiVersion": _GROUP, "kind": "Lease", "metadata": metadata, "spec": spec}
            self._lease = await self._server.request("POST", self._path, body=created, limit=limit)

    def _next_spec(self, holder: str) -> dict[str, Any]:
        before, now = _spec(self._lease), wall_now().isoformat(timespec="microseconds")
        now = now.replace("+00:00", "Z")
        is_renewal = before.get("holderIdentity") == holder and self.leading.is_set()
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": math.ceil(self._options.lease_duration) if holder else 1,
            "acquireTime": before.get("acquireTime", now) if is_renewal else now,
            "renewTime": now,
            "leaseTransitions": transitions if is_renewal or not holder else transitions + 1,
        }


def _term(lease: dict[str, Any]) -> tuple[object, ...]:
    return tuple(_spec(lease).get(field) for field in ("holderIdentity", "acquireTime", "leaseTransitions"))


def _spec(lease: dict[str, Any]) -> dict[str, Any]:
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}
