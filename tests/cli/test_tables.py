"""The status screen. The snapshots in `screens/` show 41 mappings, one of them refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from status_documents import GATEWAY, NOW, REASON, RUNNING, WIDE_ADDRESS, forty_one, mapping, pinhole, problem

from portmapper.cli.lines import cell_len, styled
from portmapper.cli.mapping_rows import COMMENT_LENGTH
from portmapper.cli.tables import Screen, Size, print_status, render, terminal_size

SCREENS = Path(__file__).with_name("screens")


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    """Show times of the snapshots in UTC."""
    use_zone = getattr(time, "tzset", lambda: None)  # Windows has one zone for all processes
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        use_zone()
        yield
    use_zone()


def plain(screen: Screen) -> str:
    """Return the text of a screen without colors."""
    return "\n".join(line.text for line in screen.lines)


def shown(size: Size, scroll: int = 0, **parts: Any) -> str:
    """Return the text of a status screen."""
    return plain(render({**RUNNING, **parts}, size, scroll, NOW))


def colored(document: dict[str, Any], **console: Any) -> str:
    """Return the screen of 80 columns and 24 lines as a terminal gets it."""
    drawn = Console(width=80, force_terminal=True, color_system="standard", _environ={}, **console)
    with drawn.capture() as capture:
        drawn.print(styled(render(document, Size(80, 24), 0, NOW).lines))
    return capture.get()


def compare(name: str, text: str) -> None:
    """Compare with a snapshot; `UPDATE_SCREENS=1` writes it."""
    path = SCREENS / name
    if os.environ.get("UPDATE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    assert f"{text.rstrip()}\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_the_screen_is_as_in_the_snapshot(width: int, height: int) -> None:
    """Nothing is wider or longer than the screen, and the refused mapping and its reason are visible."""
    screen = render(forty_one(), Size(width, height), 0, NOW)
    assert len(screen.lines) <= height
    assert all(cell_len(line.text) <= width for line in screen.lines)
    assert screen.lines[0].text.startswith("40 of 41 open · 203.0.113.7 (public) · PCP on 192.168.88.1")
    compare(f"{width}x{height}.txt", plain(screen))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colors_are_readable_on_every_background(theme: str) -> None:
    """The screen uses only the terminal's own red, green and yellow, so its theme makes them readable."""
    text = colored(forty_one())
    compare(f"80x24-{theme}.ansi", text)
    codes = {code for part in text.split("\x1b[")[1:] for code in part.partition("m")[0].split(";")}
    assert codes <= {"0", "1", "2", "31", "32", "33"}


def test_without_color_the_text_is_the_same() -> None:
    """With NO_COLOR, states are still words."""
    text = colored(forty_one(), no_color=True)
    assert not {"\x1b[31m", "\x1b[32m", "\x1b[33m"} & set(text.split("m"))
    compare("80x24-no-color.ansi", text)


def test_problems_are_first_with_their_reasons() -> None:
    """The reason is below the row."""
    lines = shown(Size(80, 24), mappings=[mapping(8080), problem(9000, "conflict")]).splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("9000/tcp"))
    assert "conflict" in lines[row]
    assert lines[row + 1] == f"  {REASON}"
    assert lines[row + 2].startswith("8080/tcp")


def test_no_problem_is_ever_hidden() -> None:
    """If there are too many, each reason is shown once with all its ports."""
    many = [problem(9000 + number) for number in range(60)]
    text = shown(Size(80, 24), mappings=[mapping(80), *many])
    assert all(f"{9000 + number}/tcp" in text for number in range(60))
    assert text.count("192.168.88.11 holds it") == 1
    assert len(text.splitlines()) <= 24


def test_more_reasons_than_lines_are_counted() -> None:
    """The first line shows how many are open in any case."""
    many = [problem(9000 + number, error=f"reason {number}") for number in range(60)]
    lines = shown(Size(80, 24), mappings=many).splitlines()
    assert len(lines) == 24
    assert lines[0].startswith("0 of 60 open")
    assert lines[-1].startswith("… and ")


def test_scrolling_moves_the_open_mappings_only() -> None:
    """It ends at the last page."""
    document = forty_one()
    top, end = (render(document, Size(80, 24), scroll, NOW) for scroll in (0, 10**6))
    assert top.scroll == 0
    assert 0 < end.scroll < 41
    assert "9000/tcp" in plain(end)
    assert "8443/tcp" in plain(end)
    assert "8443/tcp" not in plain(top)
    assert f"… and {end.scroll} more open above" in plain(end)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_endpoint_is_never_broken(width: int) -> None:
    """An IPv6 endpoint that does not fit has its own line; the port stays in the row."""
    rows = [pinhole(8443), problem(9443, family="ipv6", internal_address=WIDE_ADDRESS), mapping(8080)]
    lines = shown(Size(width, 24), mappings=rows).splitlines()
    for port in (8443, 9443):
        assert any(f"[{WIDE_ADDRESS}]:{port}" in line for line in lines)
    assert any("192.168.88.10:8080" in line for line in lines)
    assert all(len(line) <= max(width, 60) for line in lines)


def test_external_addresses_are_shown_if_they_differ() -> None:
    """With several gateways, each row names its own."""
    other = mapping(8081, external_address="198.51.100.4", gateway="192.168.99.1", backend="upnp")
    second = {**GATEWAY, "backend": "upnp", "address": "192.168.99.1", "external_address": "198.51.100.4"}
    text = shown(Size(120, 24), mappings=[mapping(), other], gateways=[GATEWAY, second])
    assert "PCP on 192.168.88.1 · UPnP on 192.168.99.1" in text
    row = next(line for line in text.splitlines() if line.startswith("8081/tcp"))
    assert "198.51.100.4" in row
    assert "UPnP 192.168.99.1" in row
    assert "PCP 192.168.88.1" not in shown(Size(120, 24), mappings=[mapping()])


def test_columns_are_the_same_without_a_daemon() -> None:
    """The screen reports that the leases are from an earlier run, and when they end."""
    with_daemon = shown(Size(80, 24), mappings=[mapping()]).splitlines()
    stored = {"pid": None, "started_at": None, "gateways": [], "sources": [], "next_check_at": None}
    without = shown(Size(80, 24), mappings=[mapping()], **stored).splitlines()
    assert with_daemon[-2:] == without[-2:]
    assert without[0].startswith("1 of 1 open · 203.0.113.7")
    assert "PCP on 192.168.88.1" in without[0]
    assert "leases of an earlier run · it ends in 59m 51s" in without[1]


def test_the_daemon_is_identified() -> None:
    """The lines below the answer show pid, start, version, list, state directory and next check."""
    text = shown(Size(80, 24), mappings=[mapping()])
    for item in ("pid 4711", "since 2026-11-28 09:00:00+00:00", "portmapper 0.2.0", "next check in 43s"):
        assert item in text
    for item in ("list /etc/portmapper/ports.csv", "state /var/lib/portmapper"):
        assert item in text


def test_another_granted_port_is_explained() -> None:
    """The row shows the open port; the desired one is below it."""
    text = shown(Size(80, 24), mappings=[mapping(8080, external_port=40_001)])
    assert "40001/tcp" in text
    assert "instead of 8080/tcp" in text


def test_the_search_is_shown_before_a_gateway_answers() -> None:
    """The mappings wait for it."""
    text = shown(Size(80, 24), mappings=[problem(80, "pending", None)], gateways=[])
    assert text.startswith("0 of 1 open · searching for a gateway…")
    assert "no gateway answered yet" in text


@pytest.mark.parametrize(
    ("kind", "words"), [("private", "private: another NAT in front"), ("cgnat", "CGNAT: shared")]
)
def test_an_address_that_is_not_public_is_explained(kind: str, words: str) -> None:
    """The gateway's detail is a problem of all mappings."""
    gateway = {**GATEWAY, "external_kind": kind, "detail": "behind another NAT"}
    text = shown(Size(None), mappings=[mapping()], gateways=[gateway])
    assert words in text.splitlines()[0]
    assert "behind another NAT" in text


def test_an_address_that_only_a_grant_tells_comes_from_the_mapping() -> None:
    """PCP has no request for the external address."""
    gateway = {**GATEWAY, "external_address": None, "external_kind": "none"}
    granted = mapping(external_address="9.9.9.9")
    assert "9.9.9.9 (public)" in shown(Size(80, 24), mappings=[granted], gateways=[gateway])
    assert "external address not known yet" in shown(Size(80, 24), gateways=[gateway])


def test_a_permanent_lease_has_no_end() -> None:
    """It stays open until it is closed."""
    assert "no end" in shown(Size(80, 24), mappings=[mapping(permanent=True, expires_at=None)])


def test_comments_are_cut_first_and_cleaned() -> None:
    """They come from lists: they may be long and contain escape sequences."""
    text = shown(Size(60, 24), mappings=[mapping(comment="\x1b[2J" + "x" * 500)])
    assert "\x1b" not in text
    assert text.count("x") <= COMMENT_LENGTH
    assert all(len(line) <= 60 for line in text.splitlines()[-1:])


def test_a_port_that_is_not_open_shows_its_next_try() -> None:
    """Unless the attempt is under way."""
    closed = mapping(state="refused", error="no", external_port=None, retries_at="2026-11-28T10:00:30+00:00")
    assert "\n  next try in 30s" in shown(Size(80, 24), mappings=[closed])
    assert "next try" not in shown(Size(80, 24), mappings=[{**closed, "retries_at": None}])


def test_what_the_daemon_works_around_is_shown() -> None:
    """With the part and since when; what the error of the store says is not repeated."""
    network = {
        "part": "network",
        "error": "no descriptors",
        "since": "2026-11-28T09:00:00+00:00",
        "attempts": 2,
    }
    store = {"part": "store", "error": "the disk is full", "since": None, "attempts": 1}
    text = shown(Size(), problems=[network, store], error="the disk is full")
    assert "network: no descriptors (since 2026-11-28 09:00:00+00:00)\n" in text
    assert text.count("the disk is full") == 1
    assert shown(Size(), problems=[store]).endswith("\nstore: the disk is full")


def test_sources_faults_and_the_store_are_problems_too() -> None:
    """A source is shown only if it has an error or rejected rows."""
    bad = {"where": "line 2", "reason": "not a port"}
    stale = {"location": "a.csv", "state": "stale", "error": "no such file", "rejected": [bad]}
    faults = [{"plugin": "x", "error": "a bug", "count": 2}]
    text = shown(Size(None), sources=[stale], faults=faults, error="the store is read-only")
    assert "a.csv is stale: no such file" in text
    assert "a.csv, line 2: not a port" in text
    assert "plugin x: a bug (2 times)" in text
    assert "the store is read-only" in text


def test_everything_is_printed_to_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe has no height, and without COLUMNS no width."""
    print_status(forty_one())
    output = capsys.readouterr().out
    assert output.startswith("40 of 41 open")
    assert "8038/tcp" in output
    assert "… and" not in output


def test_columns_limit_the_width_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid value is ignored."""
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal_size() == (72, None)
    monkeypatch.setenv("COLUMNS", "x")
    assert terminal_size() == (None, None)


def test_the_address_of_the_web_page_is_shown() -> None:
    """Only while it is on."""
    assert "web page" not in shown(Size(80, 24))
    assert "web page http://127.0.0.1:8080/" in shown(Size(80, 24), web_address="http://127.0.0.1:8080/")


def test_without_a_daemon_the_end_of_the_leases_is_never_cut() -> None:
    """At 40 columns, it has its own line."""
    one = {**mapping(8080), "expires_at": "2026-11-28T10:30:00+00:00"}
    screen = shown(Size(40), pid=None, mappings=[one], sources=[], state_dir="/var/lib/portmapper")
    assert "no daemon runs\nleases of an earlier run\nit ends in " in screen


def test_on_a_narrow_screen_the_kind_of_address_is_short() -> None:
    """The warning below explains it; no address is cut."""
    gateway = {**GATEWAY, "external_address": "100.64.12.34", "external_kind": "cgnat"}
    lines = shown(
        Size(40), mappings=[mapping(external_address="100.64.12.34")], gateways=[gateway]
    ).splitlines()
    assert "100.64.12.34 (CGNAT)" in " · ".join(lines[:2])


def test_a_warning_of_two_protocols_is_shown_once() -> None:
    """Both are on the same gateway, behind the same NAT."""
    behind = {**GATEWAY, "external_kind": "cgnat", "detail": "the provider shares the address"}
    gateways = [behind, {**behind, "backend": "natpmp"}]
    mappings = [mapping(8080), mapping(8081, backend="natpmp")]
    assert shown(Size(80), mappings=mappings, gateways=gateways).count("the provider shares") == 1


def test_a_screen_without_room_counts_no_missing_lines() -> None:
    """There are none."""
    assert "0 more lines" not in shown(Size(20, 4), mappings=[mapping(8080)])
