"""Writes states to objects: only what changed, and each object at most once a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from portmapper_kubernetes.api_errors import CONFLICT, FORBIDDEN, NOT_FOUND, UNPROCESSABLE, ApiFailure
from portmapper_kubernetes.budget import Budget
from portmapper_kubernetes.conditions import Condition, State
from portmapper_kubernetes.controller import Controller
from portmapper_kubernetes.objects import PortMapping, Reference, Service
from portmapper_kubernetes.reports import (
    MANAGER,
    applied_annotation,
    applied_finalizer,
    applied_ingress,
    applied_status,
    event_of,
    load_balancer_ingress,
    mapping_status,
    service_report,
)

if TYPE_CHECKING:
    from portmapper_kubernetes.api_server import ApiServer

MIN_GAP = 1.0
"""Seconds between two writes to one object."""

RATE, BURST = 20.0, 50.0
"""Requests per second in the long run, and in a burst."""

FINALIZER_LIMIT = 30.0
"""Seconds after which an object is let go although its ports could not be closed, as on a dead gateway."""

REFUSAL_PAUSE = 30.0
"""Seconds until a write that was refused is tried again."""

EVENTS_PATH = "apis/events.k8s.io/v1/namespaces/{}/events"

_log = logging.getLogger(__name__)

_REPORTED_AS_EVENTS = ("Accepted", "Open")
_QUIET = ("Pending", "Accepted")


class ObjectWriter:
    """Writes the status of objects, Events and finalizers.

    Attributes:
        waiting: something could not be written yet, because of a limit.
    """

    def __init__(self, controller: Controller, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.waiting = False
        self._controller = controller
        self._monotonic = monotonic
        self._budget = Budget(RATE, BURST, monotonic)
        self._written: dict[tuple[str, str], tuple[Any, float]] = {}
        self._reasons: dict[str, dict[str, tuple[str, str]]] = {}
        self._deleting: dict[str, float] = {}
        self._refused: dict[tuple[str, str], float] = {}

    def will_add_finalizer(self, mapping: PortMapping) -> bool:
        """Return whether a PortMapping gets our finalizer soon; the API server may refuse it."""
        keeps = self._controller.settings.keeps
        return not keeps and (mapping.reference.uid, "finalizer") not in self._refused

    async def write(self, server: ApiServer, states: Iterable[State]) -> None:
        """Write what changed.

        Raises:
            ApiFailure: the API server does not answer or refuses; the rest is written later.
        """
        self.waiting = False
        mappings = {mapping.reference.origin: mapping for mapping in self._controller.mappings.values()}
        services = {service.reference.origin: service for service in self._controller.services.values()}
        for mapping in mappings.values():
            await self._write_finalizer(server, mapping)
        served = set()
        for state in states:
            origin = state.verdict.reference.origin
            served.add(origin)
            if origin in mappings:
                await self._write_mapping(server, mappings[origin], state)
            elif origin in services:
                await self._write_service(server, services[origin], state)
        for origin, service in services.items():
            if origin not in served:
                await self._clear(server, service)
        self._forget([m.reference for m in mappings.values()] + [s.reference for s in services.values()])

    async def _write_mapping(self, server: ApiServer, mapping: PortMapping, state: State) -> None:
        before = self._last(mapping.reference.uid, "status", dict(mapping.status))
        status = mapping_status(state, before)
        path = f"{mapping.reference.path}/status"
        body = applied_status(mapping.reference, status)
        if await self._apply(server, mapping.reference.uid, "status", path, body, before, status):
            await self._send_events(server, state)

    async def _write_service(self, server: ApiServer, service: Service, state: State) -> None:
        uid, path = service.reference.uid, service.reference.path
        report = service_report(state)
        before = self._last(uid, "report", service.reported)
        body = applied_annotation(service.reference, self._controller.settings.selection.prefix, report)
        if await self._apply(server, uid, "report", path, body, before, report):
            await self._send_events(server, state)
        own_class = self._controller.settings.selection.load_balancer_class
        if own_class and service.load_balancer_class == own_class:
            ingress = tuple(load_balancer_ingress(state))
            body = applied_ingress(service.reference, ingress)
            before = self._last(uid, "ingress", service.reported_ingress)
            await self._apply(server, uid, "ingress", f"{path}/status", body, before, ingress)

    async def _clear(self, server: ApiServer, service: Service) -> None:
        """Remove the report from a Service that asks for no port any more."""
        if "ports" in service.annotations or service.deleting:
            return
        before = self._last(service.reference.uid, "report", service.reported)
        body = applied_annotation(service.reference, self._controller.settings.selection.prefix, "")
        await self._apply(server, service.reference.uid, "report", service.reference.path, body, before, "")

    async def _write_finalizer(self, server: ApiServer, mapping: PortMapping) -> None:
        """Add our finalizer; remove it from a deleted object whose ports are closed."""
        reference = mapping.reference
        if not mapping.deleting:
            self._deleting.pop(reference.uid, None)
        elif not mapping.has_finalizer:
            return
        wanted = not self._controller.settings.keeps and (not mapping.deleting or self._is_closing(reference))
        body = applied_finalizer(mapping, wanted=wanted)
        before = self._last(reference.uid, "finalizer", mapping.has_finalizer)
        await self._apply(server, reference.uid, "finalizer", reference.path, body, before, wanted)

    def _is_closing(self, reference: Reference) -> bool:
        """Return whether a deleted object must wait for its ports; give up those that cannot be closed."""
        since = self._deleting.setdefault(reference.uid, self._monotonic())
        ports = self._controller.open_ports.of(reference.origin)
        if ports and self._monotonic() < since + FINALIZER_LIMIT:
            self.waiting = True
            return True
        for port in ports:
            self._controller.open_ports.discard(port)
        return False

    def _last(self, uid: str, what: str, cached: Any) -> Any:
        """Return what was written last; an event of our own write may still be on its way."""
        written = self._written.get((uid, what))
        return cached if written is None else written[0]

    async def _apply(
        self, server: ApiServer, uid: str, what: str, path: str, body: object, before: Any, after: Any
    ) -> bool:
        """Write if something changed and the limits allow it; return whether it was written."""
        if before == after:
            return False
        from portmapper_kubernetes.api_server import APPLY

        now = self._monotonic()
        if now < self._refused.get((uid, what), now):
            return False
        _, at = self._written.get((uid, what), (None, -MIN_GAP))
        if now < at + MIN_GAP or (what != "finalizer" and not self._budget.take()):
            self.waiting = True
            return False
        try:
            await server.request("PATCH", path, query=MANAGER, body=body, content_type=APPLY)
        except ApiFailure as failure:
            self._pass_over(failure, uid, what)
            return False
        self._written[(uid, what)] = (after, now)
        return True

    def _pass_over(self, failure: ApiFailure, uid: str, what: str) -> None:
        """Go on with other objects after a refusal that concerns only this one.

        Raises:
            ApiFailure: it concerns all of them.
        """
        if failure.status in (FORBIDDEN, UNPROCESSABLE):
            if not any(kind == what for _, kind in self._refused):
                _log.warning("cannot write the %s of an object: %s", what, failure)
            self._refused[(uid, what)] = self._monotonic() + REFUSAL_PAUSE
            if what == "finalizer":
                self._controller.changed()  # its port need not wait any longer
        elif failure.status not in (NOT_FOUND, CONFLICT):  # these mean that the object is gone
            raise failure

    async def _send_events(self, server: ApiServer, state: State) -> None:
        """Send an Event for each condition whose reason changed since this replica leads."""
        reference = state.verdict.reference
        before = self._reasons.get(reference.uid, {})
        self._reasons[reference.uid] = {c.kind: (c.status, c.reason) for c in state.conditions}
        for condition in state.conditions:
            if _is_worth_an_event(condition, state) and before.get(condition.kind) != (
                condition.status,
                condition.reason,
            ):
                path = EVENTS_PATH.format(reference.namespace)
                body = event_of(state, condition, self._controller.settings.identity)
                if self._budget.take():
                    await self._post_event(server, path, body)

    async def _post_event(self, server: ApiServer, path: str, body: object) -> None:
        if self._monotonic() < self._refused.get(("", "Event"), 0.0):
            return
        try:
            await server.request("POST", path, body=body)
        except ApiFailure as failure:
            self._pass_over(failure, "", "Event")

    def _forget(self, references: Iterable[Reference]) -> None:
        """Forget objects that no longer exist."""
        alive = {"", *(reference.uid for reference in references)}
        self._written = {key: value for key, value in self._written.items() if key[0] in alive}
        self._reasons = {uid: reasons for uid, reasons in self._reasons.items() if uid in alive}
        self._refused = {key: until for key, until in self._refused.items() if key[0] in alive}
        self._deleting = {uid: since for uid, since in self._deleting.items() if uid in alive}


def _is_worth_an_event(condition: Condition, state: State) -> bool:
    if condition.kind not in _REPORTED_AS_EVENTS or condition.reason in _QUIET:
        return False
    return condition.kind == "Accepted" or bool(state.verdict.wanted)
