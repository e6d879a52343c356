"""What is known and learned about a gateway."""

from __future__ import annotations

import pytest

from portmapper_upnp.behavior import (
    DAY,
    HOUR,
    MAX_COMMENT,
    PLAIN_COMMENT,
    WEEK,
    DeviceBehavior,
    other_lifetimes,
    plain_comment,
    readable_comment,
    unique_comment,
)


@pytest.mark.parametrize(
    ("refused", "others"),
    [(0, [WEEK, DAY, HOUR]), (30 * DAY, [WEEK, DAY, HOUR, 0]), (WEEK, [DAY, HOUR, 0]), (HOUR, [0])],
)
def test_m22_shorter_lifetimes_and_a_permanent_lease_follow_a_refused_lifetime(
    refused: int, others: list[int]
) -> None:
    """Only shorter lifetimes than the refused one are tried."""
    assert list(other_lifetimes(refused)) == others


@pytest.mark.parametrize(
    ("comment", "plain"),
    [
        ("Let's Encrypt", "Lets Encrypt"),
        ("web", "web"),
        ("Büro", "B ro"),
        ("!?", "portmapper"),
        ("", "portmapper"),
        ("the web server in the cellar", "the web server"),
    ],
)
def test_m19_a_plain_comment_has_few_letters_digits_and_blanks(comment: str, plain: str) -> None:
    """Some routers reject punctuation, others length."""
    assert plain_comment(comment) == plain
    assert len(plain_comment(comment * 9)) <= PLAIN_COMMENT


def test_a_readable_comment_is_short_ascii() -> None:
    """Some routers store only ASCII."""
    assert readable_comment("B\u00fcro's") == "B?ro's"
    assert len(readable_comment("x" * 99)) == MAX_COMMENT


def test_the_lifetime_follows_what_the_gateway_accepts() -> None:
    """A limit that was learned applies, and version 2 gets no lifetime 0."""
    assert DeviceBehavior().lifetime(0, is_v2=False) == 0
    assert DeviceBehavior().lifetime(0, is_v2=True) == WEEK
    assert DeviceBehavior(longest_lease=DAY).lifetime(0, is_v2=False) == DAY
    assert DeviceBehavior(longest_lease=DAY).lifetime(60, is_v2=True) == 60
    assert DeviceBehavior(permanent_only=True).lifetime(60, is_v2=True) == 0


def test_m31_a_unique_description_names_the_port() -> None:
    """It is as short and plain as the plain one."""
    texts = [unique_comment("the web server", "TCP", port) for port in (8080, 65535)]
    assert texts == ["the web TCP8080", "the we TCP65535"]
    assert all(text == plain_comment(text) for text in texts)
