"""The report of `doctor`."""

from __future__ import annotations

import pytest

from portmapper.api.findings import Finding, Severity
from portmapper.cli.doctor_report import report

OK = Finding.ok("port-denied", "8080/tcp is open").about("8080/tcp")
TRIED = Finding.ok("port-denied", "8080/tcp can be opened over pcp").about("8080/tcp")
HELD = Finding.error("port-held-by-host", "8081/tcp is held by 192.168.1.9", "use another port").about(
    "8081/tcp"
)
CGNAT = Finding.error("cgnat", "the provider uses carrier-grade NAT", "ask the provider")
SILENT = Finding.error("gateway-silent", "no gateway answers", "turn on UPnP")
DEAF = Finding.warning("nothing-listening", "nothing listens on 8080/tcp", "start it").about("8080/tcp")
SEEN = Finding.ok("reachable-from-outside", "8080/tcp is reachable from outside: yes").about("8080/tcp")
UNPROVEN = Finding(
    "reachable-from-outside", Severity.INFO, "it is unknown whether 8080/tcp is reachable from outside"
).about("8080/tcp")
DENIED = Finding.error(
    "port-denied", "22/tcp is denied: the gateway's rules do not allow it", "check the rules"
).about("22/tcp")
LISTENS = Finding.ok("nothing-listening", "a program listens on 8080/tcp").about("8080/tcp")


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([OK, LISTENS], ("ok", "8080/tcp is open from outside")),
        ([TRIED, LISTENS], ("ok", "8080/tcp can be opened over pcp")),
        ([CGNAT, OK], ("error", "8080/tcp is open on the gateway only: the provider uses carrier-grade NAT")),
        (
            [CGNAT, LISTENS],
            ("error", "8080/tcp cannot be reached from outside: the provider uses carrier-grade NAT"),
        ),
        ([SILENT, LISTENS], ("error", "8080/tcp is closed: no gateway answers")),
        ([DENIED], ("error", "22/tcp is closed: the gateway's rules do not allow it")),
        ([HELD], ("error", "8081/tcp is closed: held by 192.168.1.9")),
        ([OK, DEAF], ("warning", "8080/tcp is open from outside, but nothing listens on 8080/tcp")),
        ([OK, SEEN], ("ok", "8080/tcp is reachable from outside: yes")),
        ([OK, UNPROVEN], ("info", f"8080/tcp is open on the gateway; {UNPROVEN.summary}")),
        ([LISTENS], ("info", "8080/tcp was not requested from the gateway")),
    ],
)
def test_the_verdict_comes_first(findings: list[Finding], verdict: tuple[str, str]) -> None:
    """Open from outside, open on the gateway only, or closed, and why."""
    assert report(findings, verbose=False)[0] == verdict


def test_a_problem_of_many_ports_is_shown_once() -> None:
    """With some of the ports; the report ends with what to do, and has no codes."""
    ports = [f"{number}/udp" for number in range(1, 8)]
    deaf = [
        Finding.warning("nothing-listening", f"nothing listens on {p}", "start it").about(p) for p in ports
    ]
    texts = [text for _, text in report([CGNAT, *deaf], verbose=False)]
    assert texts[7:] == [
        "",
        "Problems:",
        "the provider uses carrier-grade NAT",
        "nothing listens on 1/udp; the same for 2/udp, 3/udp, 4/udp and 3 more",
        "",
        "What to do:",
        "- ask the provider",
        "- start it",
    ]


def test_ports_with_other_causes_are_shown_separately() -> None:
    """Also if the remedy is the same."""
    found = [
        Finding.error("not-reachable-from-outside", f"{port}/tcp is closed: {why}", "ask").about(
            f"{port}/tcp"
        )
        for port, why in (
            (1, "203.0.113.7:1 refuses"),
            (2, "nothing arrives"),
            (3, "203.0.113.7:3 refuses"),
        )
    ]
    texts = [text for _, text in report(found, verbose=False)]
    assert texts[texts.index("Problems:") + 1 :][:2] == [
        "1/tcp is closed: 203.0.113.7:1 refuses; the same for 3/tcp",
        "2/tcp is closed: nothing arrives",
    ]


def test_what_works_is_shown_on_request() -> None:
    """Without a problem, the report says so."""
    assert report([OK], verbose=False)[-1] == ("", "Nothing is wrong.")
    texts = [text for _, text in report([OK, HELD], verbose=True)]
    assert texts[texts.index("What works:") + 1] == "8080/tcp is open"
    assert texts[-1] == "- use another port"
    assert report([], verbose=False) == [("", "Nothing is wrong.")]
