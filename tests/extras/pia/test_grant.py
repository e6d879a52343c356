"""Signed payloads: what is valid, and what is not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from portmapper_pia.grant import read_grant

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answer(**changes: object) -> dict[str, object]:
    """Return an answer whose payload has these changes; None omits a key."""
    content = {"token": "geheim", "port": 47047, "expires_at": "2026-04-30T22:12:07.627551124Z", **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    return {"payload": base64.b64encode(json.dumps(kept).encode()).decode(), "signature": "c2ln"}


def test_the_port_and_the_end_are_in_the_payload() -> None:
    """Times have nanoseconds; the token is in no text."""
    grant = read_grant(answer(), NOW)
    assert (grant.port, grant.expires) == (47047, datetime(2026, 4, 30, 22, 12, 7, 627551, UTC))
    assert grant.payload not in repr(grant)


def test_a_time_without_a_zone_is_utc() -> None:
    """The local time of this host means nothing to the provider."""
    assert read_grant(answer(expires_at="2026-03-01T01:00:00"), NOW).seconds_left(NOW) == 3600


@pytest.mark.parametrize("port", [None, 0, -1, 65536, "47047", True, 1.5, [], 10**400])
def test_an_invalid_port_is_rejected(port: object) -> None:
    """The reason is one line."""
    with pytest.raises(ValueError, match="port"):
        read_grant(answer(port=port), NOW)


@pytest.mark.parametrize(
    "time",
    [None, "", "soon", 5, [], "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z", "9999-12-31T23:59:59Z"],
)
def test_an_invalid_end_is_rejected(time: object) -> None:
    """A grant of the past, or for centuries, is damaged."""
    with pytest.raises(ValueError, match=r"expires_at|not valid at this time"):
        read_grant(answer(expires_at=time), NOW)


def test_a_grant_for_two_months_is_valid_for_two_months() -> None:
    """It is kept across restarts until then."""
    grant = read_grant(answer(), NOW)
    assert grant.seconds_left(NOW + timedelta(days=60)) > 0
    with pytest.raises(ValueError, match="not valid at this time"):
        read_grant(answer(), NOW + timedelta(days=61))
