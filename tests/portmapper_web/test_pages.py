"""The page as a visitor without JavaScript gets it."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from status_documents import GATEWAY, mapping, problem

from portmapper.api import PortmapperError, UsageError, WebPanel, WebRequest

PART = re.compile(r'id="([\w-]+)"[^>]* data-live')
FILES = ("style.css", "page.js", "icon.svg")
EVIL = "<script>alert(1)</script>"


async def test_the_summary_counts_mappings(site: Any, words: Any) -> None:
    """The first line is the answer."""
    assert "40 of 41 open" in words(await site.get())


async def test_rejected_rows_are_next_to_the_count(site: Any, words: Any) -> None:
    """They are no mappings."""
    rejected = [{"where": "line 4, column port", "reason": "'x' is not a port"}]
    site.view.document["sources"][0]["rejected"] = rejected
    text = words(await site.get())
    assert "40 of 41 open · 1 rejected row" in text
    assert "line 4, column port : 'x' is not a port" in text


async def test_paused_mappings_are_not_wanted(site: Any, words: Any) -> None:
    """They are counted apart."""
    site.view.document["mappings"] = [mapping(80), problem(81, "paused", None)]
    assert "1 of 1 open · 1 paused" in words(await site.get())


async def test_problems_come_first(site: Any, words: Any) -> None:
    """The refused mapping is the last of the list."""
    text = words(await site.get())
    assert text.index("9000/tcp") < text.index("8000/tcp")
    assert "192.168.88.11 holds it" in text


async def test_a_reason_that_tells_what_to_do_gets_no_other_advice(site: Any, words: Any) -> None:
    """The other reasons do."""
    assert "Allow the port" not in words(await site.get())
    site.view.document["mappings"] = [problem(81, "refused", "the router refuses it")]
    assert "the router refuses it Allow the port" in words(await site.get())


async def test_without_a_gateway_it_tells_what_to_do(site: Any, words: Any) -> None:
    """The page is of use before the first port is open."""
    site.view.document.update(gateways=[], mappings=[problem(81, "pending", None)])
    text = words(await site.get())
    assert "no gateway answered yet Turn on UPnP or PCP" in text
    assert "Searching for a gateway…" in text


@pytest.mark.parametrize(("kind", "word"), [("public", "public"), ("private", "private"), ("cgnat", "CGNAT")])
async def test_external_addresses_have_a_badge(site: Any, words: Any, kind: str, word: str) -> None:
    """The word tells it, not the color."""
    site.view.document["gateways"] = [{**GATEWAY, "external_kind": kind}]
    assert f"203.0.113.7 {word} Copy" in words(await site.get())


async def test_the_search_filters_on_the_server(site: Any) -> None:
    """It works without JavaScript."""
    page = await site.get(q="SERVICE 8007")
    assert 'data-port="8007/tcp"' in page
    assert 'data-port="8008/tcp"' not in page
    assert 'value="SERVICE 8007"' in page


async def test_the_filter_shows_only_problems(site: Any) -> None:
    """One of 41 is one."""
    page = await site.get(show="problems")
    assert page.count("data-port=") == 1


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page": "x"}, {"page": "9999"}, {"show": "x"}, {"before": "x"}]
)
async def test_an_invalid_query_shows_the_page(site: Any, query: dict[str, str]) -> None:
    """Anybody can write an address."""
    assert "40 of 41 open" in await site.get(**query)


async def test_many_mappings_have_pages(site: Any, words: Any) -> None:
    """2,000 mappings are as fast as 50."""
    site.view.document["mappings"] = [mapping(port) for port in range(1, 2001)]
    page = await site.get(page="2")
    assert page.count("data-port=") == 50
    assert "2000 mappings, page 2 of 40" in words(page)
    assert "/?page=3#mappings" in page


async def test_the_first_screen_is_small(site: Any) -> None:
    """The page with style and script: at most 60 KiB are transferred."""
    page = await site.get(may_change=True)
    files = [(await site.page.asset(WebRequest(parts={"file": name}))).body for name in FILES]
    assert sum(len(gzip.compress(part)) for part in (page.encode(), *files)) < 30 * 1024


async def test_markup_in_any_field_is_text(site: Any) -> None:
    """Lists, gateways and the journal are not trusted."""
    document = site.view.document
    document["mappings"] = [
        mapping(80, **dict.fromkeys(("comment", "source", "remote", "gateway", "backend"), EVIL)),
        problem(81, error=EVIL, comment=EVIL * 4000),
        problem(82, state=EVIL, protocol=EVIL),
    ]
    document["gateways"] = [{**GATEWAY, "model": EVIL, "protocol": EVIL, "page": EVIL, "detail": EVIL}]
    rejected = [{"where": EVIL, "reason": EVIL * 4000}] * 1000
    document["sources"] = [
        {"location": EVIL, "format": EVIL, "state": EVIL, "mappings": 1, "rejected": rejected, "error": EVIL}
    ]
    document["faults"] = [{"plugin": EVIL, "error": EVIL, "count": 1}]
    document["problems"] = [{"part": EVIL, "error": EVIL}]
    site.view.events = [{**site.view.events[0], "detail": EVIL, "gateway": EVIL}]
    site.view.loaded = [{"name": EVIL, "state": "failed", "error": EVIL}]
    page = await site.get(q=EVIL, result=EVIL, may_change=True)
    assert page.count("<script") == 1
    assert len(page) < 300_000


@pytest.mark.parametrize(
    ("told", "link"),
    [
        ("http://192.168.88.1:8080/admin", "http://192.168.88.1:8080/admin"),
        ("", "http://192.168.88.1/"),
        ("javascript:alert(1)", "http://192.168.88.1/"),
        ("http://evil.example/", "http://192.168.88.1/"),
        ("http://u:p@192.168.88.1/", "http://192.168.88.1/"),
        ("http://[", None),
    ],
)
async def test_the_link_to_the_router_stays_at_the_router(site: Any, told: str, link: str | None) -> None:
    """A device can tell any address."""
    site.view.document["gateways"] = [{**GATEWAY, "page": told}]
    page = await site.get()
    assert (f'href="{link}"' if link else "Gateway 192.168.88.1") in page
    assert "evil" not in page
    assert "javascript:" not in page


async def test_protocols_of_one_device_are_one_entry(site: Any, words: Any) -> None:
    """With its name, and the time of its last restart."""
    second = {**GATEWAY, "backend": "upnp", "protocol": "IGD 2", "model": "Router X"}
    site.view.document["gateways"] = [GATEWAY, second]
    event = {**site.view.events[0], "event": "gateway_restarted", "protocol": None}
    site.view.events = [event]
    text = words(await site.get())
    assert "Router X Address 192.168.88.1 Protocols PCP 2, IGD 2" in text
    assert "Last restart 2026-11-28" in text


async def test_a_restart_is_remembered_beyond_the_latest_events(site: Any, words: Any) -> None:
    """The journal is long, and only its end is read each time."""
    restart = {**site.view.events[0], "event": "gateway_restarted", "protocol": None}
    site.view.events = [restart]
    await site.get()
    site.view.events = [restart, *({**restart, "id": number, "event": "renewed"} for number in range(2, 200))]
    assert "none seen" not in words(await site.get())


async def test_events_have_pages(site: Any) -> None:
    """The latest first."""
    site.view.events = [{**site.view.events[0], "id": number} for number in range(1, 41)]
    assert "/?before=21#timeline" in await site.get()
    earlier = await site.get(before="21")
    assert "Earlier events" not in earlier
    assert "Latest events" in earlier


async def test_renewals_do_not_hide_other_events(site: Any, words: Any) -> None:
    """41 ports have more than one a minute."""
    opened = site.view.events[0]
    renewals = [{**opened, "id": number, "event": "renewed"} for number in range(2, 700)]
    site.view.events = [opened, *renewals[:300]]
    text = words(await site.get())
    assert "opened 8080/tcp" in text
    assert "renewed" not in text
    site.view.events = [opened, *renewals]
    assert "/?before=200#timeline" in await site.get()


async def test_a_broken_journal_leaves_the_rest(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status names the problem."""

    async def fail(*_: object) -> None:
        raise PortmapperError("the disk is full")

    monkeypatch.setattr(site.view, "history", fail)
    assert "40 of 41 open" in await site.get()


async def test_failures_of_plugins_are_shown(site: Any, words: Any) -> None:
    """Those that did not load, too."""
    site.view.document["faults"] = [{"plugin": "backend:x", "error": "it broke", "count": 2}]
    site.view.loaded = [{"name": "y", "state": "failed", "error": "no module z"}]
    text = words(await site.get())
    assert "backend:x : it broke (2 times)" in text
    assert "y : no module z" in text


async def test_panels_and_links_of_other_plugins(site: Any) -> None:
    """The title is text; the content is theirs."""
    site.view.added = [WebPanel(EVIL, "<b>mine</b>")]
    page = await site.get()
    assert "<b>mine</b>" in page
    assert page.count("<script") == 1
    assert '<a href="/graph">Graph</a>' in page


async def test_a_visitor_who_may_only_read_gets_no_buttons(site: Any, words: Any) -> None:
    """The page tells how to get them."""
    page = await site.get()
    assert "/confirm/" not in page
    assert "Log in to open and close ports." in words(page)


async def test_a_read_only_token_is_named_as_the_reason(site: Any, words: Any) -> None:
    """The visitor is logged in already."""
    answer = await site.page.show(WebRequest(signed_in=True, csrf_token="secret"))
    assert "Your token may only read." in words(answer.body)
    assert "Log out" in words(answer.body)


async def test_a_row_of_a_list_is_paused_and_an_own_one_closed(site: Any) -> None:
    """The page cannot close a row of a list for good."""
    site.view.document["mappings"] = [
        mapping(80, source="/etc/ports.csv"),
        mapping(81, source="command line"),
        problem(82, "paused", None, source="/etc/ports.csv"),
    ]
    page = await site.get(may_change=True)
    assert 'aria-label="Pause 80/tcp"' in page
    assert 'aria-label="Close 81/tcp"' in page
    assert 'aria-label="Resume 82/tcp"' in page


async def test_the_parts_for_the_script_are_those_of_the_page(site: Any) -> None:
    """`/live` has no frame."""
    live = await site.get("/live", may_change=True)
    assert "<html" not in live
    page = await site.get(may_change=True)
    assert PART.findall(page) == PART.findall(live)


async def test_a_running_diagnosis_reloads_the_page_without_javascript(site: Any, words: Any) -> None:
    """With the script, the part is read again instead."""
    site.view.answers["doctor"] = None
    page = await site.act("doctor")
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "<progress" in page
    finding = {"code": "cgnat", "severity": "error", "summary": "shared address", "advice": "Ask for one."}
    site.view.job.update(state="done", findings=[finding], error=None, ended_at=None, step="1 problem")
    page = await site.get()
    assert "http-equiv" not in page
    assert "error shared address Ask for one." in words(page)


async def test_an_unknown_question_is_refused(site: Any) -> None:
    """So is one without its port."""
    for action, query in (("format", {}), ("close", {})):
        with pytest.raises(UsageError, match="there is no action"):
            await site.ask(action, **query)


async def test_the_question_names_the_port_and_has_the_csrf_token(site: Any, words: Any) -> None:
    """It changes nothing."""
    page = await site.ask("open", port="8080", protocol="tcp", comment=EVIL)
    assert "Open 8080/tcp?" in words(page)
    assert '<input type="hidden" name="csrf_token" value="secret">' in page
    assert page.count("<script") == 1
    assert site.view.calls == []


async def test_a_file_that_does_not_exist(site: Any) -> None:
    """There are only three."""
    answer = await site.page.asset(WebRequest(parts={"file": "../pages.py"}))
    assert answer.status == 404


async def test_files_are_kept_by_browsers_until_they_change(site: Any) -> None:
    """Their address has a hash."""
    page = await site.get()
    version = page.partition("/static/page.js?v=")[2].partition('"')[0]
    kept = await site.page.asset(WebRequest(parts={"file": "page.js"}, query={"v": version}))
    assert "immutable" in kept.headers["Cache-Control"]
    other = await site.page.asset(WebRequest(parts={"file": "page.js"}, query={"v": "old"}))
    assert other.headers["Cache-Control"] == "no-cache"


async def test_pages_without_an_icon_get_one(site: Any) -> None:
    """Otherwise the console has an error."""
    answer = await site.page.icon(WebRequest())
    assert (answer.status, answer.content_type) == (200, "image/svg+xml")


async def test_the_login_page_has_one_visible_field(site: Any) -> None:
    """Password managers get a name for it."""
    page = (
        await site.page.login_page(WebRequest(query={"next": '/"><script>'}), "the token is not valid")
    ).body
    assert page.count("<input") - page.count('type="hidden"') - page.count(" hidden>") == 1
    assert "the token is not valid" in page
    assert page.count("<script") == 1
