"""UPnP error codes and the error types they become."""

from __future__ import annotations

import pytest

from portmapper.api import (
    Conflict,
    NetworkFailure,
    NoResources,
    NotAuthorized,
    OnlyPermanentLeases,
    Unsupported,
)
from portmapper_upnp.soap_fault import MAX_DESCRIPTION, NO_CODE, Fault


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (401, Unsupported),
        (402, Unsupported),
        (501, Conflict),
        (603, NoResources),
        (606, NotAuthorized),
        (704, NetworkFailure),
        (718, Conflict),
        (725, OnlyPermanentLeases),
        (728, NoResources),
        (729, Conflict),
        (999, Unsupported),
    ],
)
def test_a_code_becomes_an_error_of_the_common_vocabulary(number, error):
    """An unknown code counts as unsupported; the code is kept."""
    typed = Fault(number, "the router's words").typed()
    assert type(typed) is error
    assert typed.code == number
    assert f"({number} the router's words)" in str(typed)


def test_h3_a_refusal_without_a_code_is_a_failure_of_the_network():
    """It names what the gateway answered, and no code."""
    typed = Fault(NO_CODE, "HTTP 503").typed()
    assert type(typed) is NetworkFailure
    assert (str(typed), typed.code) == ("the gateway answered with HTTP 503", None)


def test_a_description_is_printable_and_short():
    """A router's text may contain control characters, or be very long."""
    fault = Fault(718, "a\x1b[31m\nb" + "x" * 1000)
    assert fault.description.startswith("a[31mb")
    assert len(fault.description) == MAX_DESCRIPTION
    assert str(fault).isprintable()


def test_an_empty_description_leaves_no_blank():
    """The message ends with the code."""
    assert str(Fault(718, "").typed()).endswith("(718)")
