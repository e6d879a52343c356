"""Result codes and the error types they become."""

from __future__ import annotations

import pytest

from portmapper.api import (
    AnotherNat,
    BackendError,
    Conflict,
    NetworkFailure,
    NoResources,
    NotAuthorized,
    Unsupported,
)
from portmapper_pcp.pcp_codec import Result
from portmapper_pcp.results import MAX_ERROR_LIFETIME, natpmp_error, pcp_error


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (Result.NOT_AUTHORIZED, NotAuthorized),
        (Result.UNSUPP_OPTION, Unsupported),
        (Result.NETWORK_FAILURE, NetworkFailure),
        (Result.NO_RESOURCES, NoResources),
        (Result.USER_EX_QUOTA, NoResources),
        (Result.CANNOT_PROVIDE_EXTERNAL, Conflict),
        (Result.ADDRESS_MISMATCH, AnotherNat),
        (99, Unsupported),
    ],
)
def test_a_pcp_result_becomes_an_error(result: int, error: type[BackendError]) -> None:
    """An unknown code counts as unsupported; the code and the hint are kept."""
    found = pcp_error(result, 30, "; a hint")
    assert type(found) is error
    assert (found.code, found.retry_after) == (result, 30.0)
    assert str(found).endswith("; a hint")


def test_every_pcp_result_has_a_message() -> None:
    """Only unknown results are named by their number."""
    for result in Result:
        if result is not Result.SUCCESS:
            assert "PCP result" not in str(pcp_error(result, 0))


@pytest.mark.parametrize(("lifetime", "retry_after"), [(0, None), (1, 1.0), (2**32 - 1, MAX_ERROR_LIFETIME)])
def test_an_error_lifetime_is_limited(lifetime: int, retry_after: float | None) -> None:
    """RFC 6887 section 15: at most 30 minutes; 0 gives no time to retry."""
    assert pcp_error(Result.NO_RESOURCES, lifetime).retry_after == retry_after


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (1, Unsupported),
        (2, NotAuthorized),
        (3, NetworkFailure),
        (4, NoResources),
        (5, Unsupported),
        (9, Unsupported),
    ],
)
def test_a_natpmp_result_becomes_an_error(result: int, error: type[BackendError]) -> None:
    """The results of RFC 6886 section 3.5, and an unknown one."""
    found = natpmp_error(result)
    assert type(found) is error
    assert found.code == result
