"""miniupnpd 2.3.1 on nftables confuses the filter rules of one internal port.

It keeps them in a stack and looks for a rule without its protocol:

- A renewal over PCP or NAT-PMP removes the topmost rule and puts its own on top. So renewing any lease of
  the stack but the youngest closes the youngest until that one is renewed, too.
- A release over any protocol removes the topmost rule.
- A renewal over UPnP leaves the stack as it is. So a lease whose rule was removed must be closed and opened.

The order of opening tells whose rule is on top. After a restart, a crash or a lost answer it does not, and
no renewal repairs a wrong rule below the top.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from portmapper.api import (
    Action,
    Applies,
    Device,
    HeldLease,
    Lease,
    MapRequest,
    Quirk,
    Reassertion,
    RepairAction,
    RepairStep,
    Trait,
)

_SERVER = "MiniUPnPd/"
"""How it names itself in its Server header, in whatever router it works."""

_UPNP = "upnp"


class MiniupnpdNft(Quirk):
    """Keeps both protocols of a port open on a gateway that confuses them."""

    name = "miniupnpd-nft"
    # Every release answers 718 if another host holds the port. 2.3.1 on nftables echoes PCP's FILTER, but its
    # rule has no remote address; it enforces UPnP's RemoteHost.
    traits = frozenset({Trait.NEVER_OVERWRITES, Trait.IGNORES_FILTER})

    def applies_to(self, device: Device) -> Applies:
        """Return whether the device says that it runs miniupnpd, as miniupnpd always does over UPnP."""
        if not device.server and _UPNP not in device.backends:
            return Applies.UNKNOWN
        return Applies.YES if _SERVER in device.server else Applies.NO

    def coupling(self, subject: MapRequest | Lease) -> Hashable | None:
        """Return the stack of a mapping: the rules name the internal host and port. Pinholes have none."""
        if subject.internal_address.version == 6:
            return None
        return (subject.internal_address, subject.internal_port)

    def after(self, action: Action, done: HeldLease, peers: Sequence[HeldLease]) -> Sequence[Reassertion]:
        """Return the youngest lease if it was closed, or what a release leaves in an unknown order."""
        if not peers:
            return ()
        if action is Action.RELEASED:
            return [Reassertion(peer.lease, recreate=True, order_lost=True) for peer in peers]
        youngest = peers[-1]
        if youngest.opened_at <= done.opened_at:
            return ()
        mixed = youngest.lease.backend != done.lease.backend
        return [Reassertion(youngest.lease, recreate=mixed, at_once=_UPNP not in _backends([done, youngest]))]

    def repair(
        self, requested: HeldLease, peers: Sequence[HeldLease], *, recreate: bool
    ) -> Sequence[RepairStep]:
        """Close all but the eldest other lease and renew that one: its rule is then the only one.

        Whatever the stack held, each release takes one rule away, and the renewal replaces the last.
        Where every lease is renewed over UPnP, the order matters only for what closes one of them.
        """
        if not peers or (_backends([requested, *peers]) == {_UPNP} and not recreate):
            return ()
        eldest, *others = peers
        closed = [peer.lease for peer in reversed(others)]
        return [
            RepairStep(RepairAction.CLOSE, requested.lease),
            *(RepairStep(RepairAction.CLOSE, lease) for lease in closed),
            RepairStep(RepairAction.RENEW, eldest.lease),
        ]


def _backends(held: Sequence[HeldLease]) -> set[str]:
    return {one.lease.backend for one in held}
