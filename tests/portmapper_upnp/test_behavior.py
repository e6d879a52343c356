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
    tiny_comment,
    unique_comment,
)


@pytest.mark.parametrize(
    ("refused", "others"),
    [
        (0, [WEEK, DAY, HOUR, 600, 60]),
        (30 * DAY, [WEEK, DAY, HOUR, 0, 600, 60]),
        (WEEK, [DAY, HOUR, 0, 600, 60]),
        (HOUR, [0, DAY, WEEK, 600, 60]),
        (60, [0, DAY, WEEK]),
    ],
)
def test_m22_other_lifetimes_follow_a_refused_one(refused: int, others: list[int]) -> None:
    """Shorter ones and a permanent lease, then longer ones, then very short ones."""
    assert list(other_lifetimes(refused)) == others


def test_m32_a_shortest_lease_is_remembered() -> None:
    """It is requested instead of a shorter one, and a longest one stays known."""
    behavior = DeviceBehavior()
    behavior.learn_lifetime(0, WEEK)
    behavior.learn_lifetime(HOUR, DAY)
    assert [behavior.lifetime(desired, is_v2=False) for desired in (0, 60, 2 * DAY)] == [WEEK, DAY, 2 * DAY]


@pytest.mark.parametrize(
    ("comment", "tiny"), [("web 2", "web"), ("2 photoarchives", "photoarc"), ("8080", "portmap")]
)
def test_m34_a_tiny_comment_is_a_word(comment: str, tiny: str) -> None:
    """Without blanks and digits."""
    assert tiny_comment(comment) == tiny


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
