"""The contract of quirks: tests that every quirk must pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from portmapper.api.model import Lease, MapRequest, Protocol
from portmapper.api.quirks import Action, Applies, Device, HeldLease, Reassertion, RepairStep
from portmapper.testing.calls import check_name
from portmapper.testing.subjects import QuirkSubject

LOCAL = ip_address("192.168.1.10")
START = datetime(2026, 1, 1, tzinfo=UTC)


class QuirkContract:
    """Tests of a quirk. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> QuirkSubject:
        """Return the quirk and a device that has it."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_has_a_name(self, subject: QuirkSubject) -> None:
        """`status` shows it if the quirk fails."""
        check_name(subject.quirk.name)

    def test_it_applies_to_its_device(self, subject: QuirkSubject) -> None:
        """A device of which nothing is known yet is not certain to have it."""
        assert subject.quirk.applies_to(subject.device) is Applies.YES
        assert subject.quirk.applies_to(Device(subject.device.address)) is not Applies.YES

    def test_another_device_does_not_have_it(self, subject: QuirkSubject) -> None:
        """Once it is identified, portmapper takes no precautions."""
        other = Device(subject.device.address, "Another/1.0", "Another", frozenset({"upnp"}))
        assert subject.quirk.applies_to(other) is Applies.NO

    def test_a_request_and_its_lease_are_in_one_group(self, subject: QuirkSubject) -> None:
        """The group depends only on the mapping, and can be a key."""
        lease = _held(1).lease
        request = MapRequest(lease.protocol, lease.internal_address, lease.internal_port, lease.external_port)
        group = subject.quirk.coupling(lease)
        assert group == subject.quirk.coupling(request)
        hash(group)

    @pytest.mark.parametrize("action", Action)
    def test_it_names_only_leases_that_it_was_given(self, subject: QuirkSubject, action: Action) -> None:
        """In `after` and in `repair`."""
        done, peers = _held(1), [_held(2), _held(3)]
        given = {held.lease.token for held in (done, *peers)}
        again = subject.quirk.after(action, done, peers)
        assert all(isinstance(one, Reassertion) and one.lease.token in given for one in again)
        for recreate in (True, False):
            steps = subject.quirk.repair(done, peers, recreate=recreate)
            assert all(isinstance(step, RepairStep) and step.lease.token in given for step in steps)

    def test_a_lease_without_peers_is_left_alone(self, subject: QuirkSubject) -> None:
        """Nothing can disturb it."""
        for action in Action:
            assert list(subject.quirk.after(action, _held(1), [])) == []
        assert list(subject.quirk.repair(_held(1), [], recreate=False)) == []


def _held(number: int) -> HeldLease:
    lease = Lease(
        protocol=Protocol.TCP if number % 2 else Protocol.UDP,
        internal_address=LOCAL,
        internal_port=80,
        external_port=8000 + number,
        external_address=None,
        lifetime=600,
        permanent=False,
        backend="pcp",
        gateway="pcp:192.168.1.1",
        token=bytes([number]),
    )
    return HeldLease(lease, START + timedelta(seconds=number))
