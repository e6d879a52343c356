"""What the buttons do, and how it is undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from status_documents import mapping, problem

from portmapper.api import UsageError
from portmapper_web import actions

RECORD = {"port": 8080, "protocol": "tcp", "internal_port": 80}


def port(result: str, **more: Any) -> dict[str, Any]:
    """Return the answer to a change of one port."""
    return {"ports": [{"port": 8080, "protocol": "TCP", "result": result, "detail": "", **more}]}


async def test_open_sends_the_fields_that_have_a_value(site: Any) -> None:
    """An empty field counts as omitted."""
    site.view.answers["open"] = {"mappings": [mapping(8080)]}
    page = await site.act("open", port=" 8080 ", protocol="tcp", comment="", csrf_token="x", evil="y")
    assert site.view.calls == [("open", [{"port": "8080", "protocol": "tcp"}])]
    assert "8080/tcp is open at 203.0.113.7:8080." in page


async def test_a_refused_port_is_an_error(site: Any) -> None:
    """With the reason."""
    site.view.answers["open"] = {"mappings": [problem(9000, error="the router refuses it")]}
    page = await site.act("open", port="9000", protocol="tcp")
    assert "9000/tcp is not open: the router refuses it." in page
    assert 'class="error"' in page


async def test_an_invalid_request_is_a_message(site: Any) -> None:
    """Not another page."""
    site.view.answers["open"] = UsageError("port: 'x' is not a port")
    assert "Port: &#x27;x&#x27; is not a port." in await site.act("open", port="x", protocol="tcp")


async def test_close_can_be_undone_once(site: Any) -> None:
    """The daemon returns the records that it closed."""
    site.view.answers["close"] = port("closed", records=[RECORD])
    page = await site.act("close", port="8080", protocol="tcp")
    number = page.partition('name="result" value="')[2].partition('"')[0]
    site.view.answers["open"] = {"mappings": [mapping(8080)]}
    assert "8080/tcp is open" in await site.act("undo", result=number)
    assert site.view.calls[-1] == ("open", [RECORD])
    assert "cannot be undone any more" in await site.act("undo", result=number)


async def test_pause_is_undone_by_resume(site: Any) -> None:
    """The row is that of a list."""
    site.view.answers.update(pause=port("paused"), resume=port("resumed"))
    page = await site.act("pause", port="8080", protocol="tcp")
    number = page.partition('name="result" value="')[2].partition('"')[0]
    assert "8080/tcp is resumed." in await site.act("undo", result=number)


async def test_what_did_not_happen_cannot_be_undone(site: Any) -> None:
    """It is an error with the reason."""
    site.view.answers["close"] = port("listed", detail="ports.csv lists it")
    page = await site.act("close", port="8080", protocol="tcp")
    assert "8080/tcp stays open: ports.csv lists it." in page
    assert "Undo" not in page


async def test_reload_tells_how_many_rows_were_rejected(site: Any) -> None:
    """And which lists cannot be read."""
    source = {"location": "a.csv", "rejected": [1, 2], "error": None}
    site.view.answers["reload"] = {"sources": [source, {**source, "location": "b.csv", "error": "gone"}]}
    page = await site.act("reload")
    assert "The lists were read again: 2 lists, 4 rejected rows. b.csv could not be read." in page


async def test_an_unknown_action_is_refused(site: Any) -> None:
    """Anybody with a login can write an address."""
    with pytest.raises(UsageError, match="there is no action"):
        await site.act("format")


async def test_an_action_that_takes_long_goes_on(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon would end a page that waits too long."""
    go, done = asyncio.Event(), asyncio.Event()

    async def reload() -> dict[str, Any]:
        await go.wait()
        done.set()
        return {"sources": []}

    monkeypatch.setattr(actions, "PATIENCE", 0.01)
    monkeypatch.setattr(site.view, "reload", reload)
    assert "This takes longer." in await site.act("reload")
    go.set()
    await asyncio.wait_for(done.wait(), 60)


async def test_results_are_limited(site: Any) -> None:
    """A script may act all day."""
    site.view.answers["reload"] = {"sources": []}
    for _ in range(actions.MAX_RESULTS + 5):
        await site.act("reload")
    assert len(site.page._actions._results) == actions.MAX_RESULTS
