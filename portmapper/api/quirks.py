"""Quirks: what is known of one kind of device whose mappings disturb each other."""

from __future__ import annotations

import abc
import enum
from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import ClassVar

from portmapper.api.model import IPAddress, Lease, MapRequest, Trait
from portmapper.support.values import frozen


class Applies(enum.StrEnum):
    """Whether a device has a quirk.

    Attributes:
        YES: it is known to have it.
        NO: it is known not to have it; the core then takes no precautions.
        UNKNOWN: nothing identifies the device yet; the core takes the same precautions as for YES, but waits
            a few seconds for an identification before it closes anything.
    """

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class Device:
    """What is known of the device at one gateway address, over whichever protocol it was learned.

    Attributes:
        address: the gateway's address.
        server: the software it says it runs (UPnP's Server header); empty while unknown. Untrusted text.
        model: what it calls itself; empty while unknown. Untrusted text.
        backends: names of the backends that it has answered.
    """

    address: IPAddress
    server: str = ""
    model: str = ""
    backends: frozenset[str] = frozenset()


@frozen
class HeldLease:
    """A lease of ours on the device.

    Attributes:
        lease: what the gateway granted.
        opened_at: when it was first granted, perhaps by an earlier run.
    """

    lease: Lease
    opened_at: datetime


class Action(enum.StrEnum):
    """What was done to a lease.

    Attributes:
        RENEWED: it was requested again while the gateway held it.
        RELEASED: it was closed.
    """

    RENEWED = "renewed"
    RELEASED = "released"


@frozen
class Reassertion:
    """A lease that must be requested again because of what was done to another one.

    Attributes:
        lease: which one.
        recreate: the gateway must close and open it, because a renewal alone would not open the port.
        at_once: request it also while the other lease's request is still unanswered, and repeatedly until
            the answer arrives.
        order_lost: the device may hold the leases in another order than that of their opening, so that
            `repair` is needed.
    """

    lease: Lease
    recreate: bool = False
    at_once: bool = False
    order_lost: bool = False


class RepairAction(enum.StrEnum):
    """One step of a repair: release a lease that stays desired, or renew one."""

    CLOSE = "close"
    RENEW = "renew"


@frozen
class RepairStep:
    """One step of a repair.

    Attributes:
        action: what to do.
        lease: with which lease.
    """

    action: RepairAction
    lease: Lease


class Quirk(abc.ABC):
    """What is known of one kind of device, above all that the mappings of one group disturb each other there.

    The core serializes the requests of a group, requests again what `after` returns, and runs `repair`
    when it cannot know the order of the group: after adoption, a restart, a lost answer or a change of
    protocol. A quirk does no input or output and keeps no state.

    Attributes:
        name: short and lower case, for messages.
        traits: what else is known of such a device; each request to it carries them (`MapRequest.traits`).
    """

    name: ClassVar[str]
    traits: ClassVar[frozenset[Trait]] = frozenset()

    @abc.abstractmethod
    def applies_to(self, device: Device) -> Applies:
        """Return whether a device has this quirk, from what is known of it so far."""

    @abc.abstractmethod
    def coupling(self, subject: MapRequest | Lease) -> Hashable | None:
        """Return the group of a request or lease: equal values may disturb each other; None is no group."""

    @abc.abstractmethod
    def after(self, action: Action, done: HeldLease, peers: Sequence[HeldLease]) -> Sequence[Reassertion]:
        """Return what must be requested again.

        Args:
            action: what was done to `done`.
            done: the lease it was done to.
            peers: the other leases of its group, in the order of their opening.
        """

    @abc.abstractmethod
    def repair(
        self, requested: HeldLease, peers: Sequence[HeldLease], *, recreate: bool
    ) -> Sequence[RepairStep]:
        """Return the steps before `requested` is opened again, from an unknown order to a known one.

        After these steps the core requests `requested` as a new mapping, and then every other lease that
        a step closed. An empty result means that the order does not matter for these leases.

        Args:
            requested: the lease that is about to be requested.
            peers: the other leases of its group, in the order of their opening.
            recreate: a plain renewal of `requested` would not open its port.
        """
