"""The delay after a failed attempt."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, NotAuthorized
from portmapper.api.model import Lease, Mapping
from portmapper.network.placement import Place
from portmapper.scheduler.record import Record
from portmapper.scheduler.retry import HostFailure, delay_after_failure

LOCAL, FORMER = ip_address("192.168.88.10"), ip_address("192.168.88.20")
GRANTED_AT = 1000.0

NewLease = Callable[..., Lease]
NewRecord = Callable[..., Record]


@pytest.fixture
def failed(desired: Callable[..., Mapping]) -> NewRecord:
    """Make records whose last attempts failed with the given errors."""

    def make(*errors: BackendError, attempts: int = 1, **fields: Any) -> Record:
        refusals = tuple(("pcp:192.168.88.1", error) for error in errors)
        places = [Place(LOCAL, Target(LOCAL))]
        return Record(
            desired(), refusals=refusals, attempts=attempts, places=places, granted_at=GRANTED_AT, **fields
        )

    return make


def test_a_dirty_record_does_not_wait(failed: NewRecord) -> None:
    """Something happened during the attempt, so its errors are out of date."""
    assert delay_after_failure(failed(NotAuthorized("no"), dirty=True), 0.0, 60.0) == 0.0


@pytest.mark.parametrize("errors", [[], [GatewayTimeout("no answer")], [HostFailure("no memory left")]])
def test_a_transient_error_is_retried_soon(failed: NewRecord, errors: list[BackendError]) -> None:
    """Also if there was no gateway to ask; never later than the longest delay."""
    assert delay_after_failure(failed(*errors), 0.0, 60.0) <= 1.25
    assert 45.0 <= delay_after_failure(failed(*errors, attempts=20), 0.0, 60.0) <= 60.0


@pytest.mark.parametrize("error", [NotAuthorized("no"), Conflict("taken")])
def test_a_refusal_is_retried_late(failed: NewRecord, error: BackendError) -> None:
    """A rule or another host's mapping does not go away within seconds."""
    assert 45.0 <= delay_after_failure(failed(error), 0.0, 60.0) <= 75.0


def test_the_longest_retry_time_of_the_gateways_counts(failed: NewRecord) -> None:
    """RFC 6887 section 8.3: the lifetime of an error."""
    record = failed(NotAuthorized("no", retry_after=3000), Conflict("taken", retry_after=20))
    assert delay_after_failure(record, 0.0, 60.0) == 3000.0


def test_a_transient_error_beside_a_refusal_is_retried_soon(failed: NewRecord) -> None:
    """The gateway that did not answer may grant it."""
    assert delay_after_failure(failed(NotAuthorized("no"), GatewayTimeout("no answer")), 0.0, 60.0) <= 1.25


def test_a_valid_lease_keeps_its_renewal_schedule(failed: NewRecord, new_lease: NewLease) -> None:
    """After the first failure, it is renewed between 3/4 and 13/16 of its lifetime."""
    record = failed(GatewayTimeout("no answer"), lease=new_lease(lifetime=3600))
    halfway = GRANTED_AT + 1800.0
    assert 900.0 <= delay_after_failure(record, halfway, 60.0) <= 1125.0


@pytest.mark.parametrize("change", [{}, {"internal_address": FORMER}, {"permanent": True}])
def test_a_lease_without_a_renewal_schedule_is_retried_like_none(
    failed: NewRecord, new_lease: NewLease, change: dict[str, Any]
) -> None:
    """It may be lost, it is for a former address, or it never expires."""
    record = failed(
        GatewayTimeout("no answer"), lease=new_lease(**change), suspect_since=None if change else GRANTED_AT
    )
    assert delay_after_failure(record, GRANTED_AT + 1800.0, 60.0) <= 1.25
