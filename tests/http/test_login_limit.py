"""The limits for failed logins."""

from __future__ import annotations

from portmapper.http import login_limit
from portmapper.http.login_limit import LoginLimit


def test_each_client_and_all_together_have_a_limit() -> None:
    """After a minute, they may try again."""
    now = [1000.0]
    limit = LoginLimit(lambda: now[0])
    for _ in range(login_limit.PER_CLIENT):
        assert limit.wait("a") == 0
        limit.fail("a")
    assert (limit.wait("a"), limit.wait("b")) == (61, 0)
    for number in range(login_limit.TOTAL):
        limit.fail(number)
    assert limit.wait("b") > 0
    now[0] += login_limit.WINDOW
    assert (limit.wait("a"), limit.wait("b")) == (0, 0)


def test_the_number_of_clients_is_bounded() -> None:
    """An attacker with many addresses needs no memory of ours."""
    limit = LoginLimit(lambda: 0.0)
    for number in range(3 * login_limit.MAX_CLIENTS):
        limit.fail(number)
    assert len(limit._clients) == login_limit.MAX_CLIENTS
