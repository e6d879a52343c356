"""Calls of quirks: whatever a quirk raises or returns, the scheduler gets a valid answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from portmapper.api.errors import quoted
from portmapper.api.model import Lease, MapRequest, Trait
from portmapper.api.quirks import Action, Applies, Device, HeldLease, Quirk, Reassertion, RepairStep
from portmapper.pluginhost.faults import record_fault

T = TypeVar("T")


class GuardedQuirk(Quirk):
    """A quirk whose faults are recorded, and then count as "no precaution"."""

    def __init__(self, quirk: Quirk) -> None:
        self.name = quirk.name  # type: ignore[misc]
        self.traits = self._valid_traits(quirk.traits)  # type: ignore[misc]
        self._quirk = quirk

    def applies_to(self, device: Device) -> Applies:
        """Return `NO` for a quirk that fails."""
        return self._call("applies_to", lambda: self._quirk.applies_to(device), Applies, Applies.NO)

    def coupling(self, subject: MapRequest | Lease) -> Hashable | None:
        """Return None for a quirk that fails."""
        return self._call("coupling", lambda: self._quirk.coupling(subject), Hashable, None)

    def after(self, action: Action, done: HeldLease, peers: Sequence[HeldLease]) -> Sequence[Reassertion]:
        """Return nothing for a quirk that fails."""
        return self._list("after", lambda: self._quirk.after(action, done, peers), Reassertion)

    def repair(
        self, requested: HeldLease, peers: Sequence[HeldLease], *, recreate: bool
    ) -> Sequence[RepairStep]:
        """Return nothing for a quirk that fails."""
        return self._list(
            "repair", lambda: self._quirk.repair(requested, peers, recreate=recreate), RepairStep
        )

    def _valid_traits(self, traits: object) -> frozenset[Trait]:
        if isinstance(traits, frozenset) and all(isinstance(trait, Trait) for trait in traits):
            return traits
        record_fault(f"quirk:{self.name}", f"its traits are {quoted(traits)}, and not a frozenset of traits")
        return frozenset()

    def _list(self, method: str, call: Callable[[], Sequence[T]], kind: type[T]) -> Sequence[T]:
        nothing: Sequence[T] = ()
        answer = self._call(method, call, Sequence, nothing)
        if all(isinstance(item, kind) for item in answer):
            return answer
        record_fault(f"quirk:{self.name}", f"{method} returned {quoted(answer)}")
        return ()

    def _call(self, method: str, call: Callable[[], T], kind: Any, default: T) -> T:
        try:
            answer = call()
        except Exception as error:
            record_fault(f"quirk:{self.name}", error)
            return default
        if isinstance(answer, kind) or (answer is None and default is None):
            return answer
        record_fault(f"quirk:{self.name}", f"{method} returned {quoted(answer)}")
        return default
