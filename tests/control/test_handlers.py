"""The answers of the API, over the real socket."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from status_documents import forty_one

from portmapper.api.errors import PortmapperError
from portmapper.api.events import Event, EventKind


def publish(daemon: Any, count: int) -> None:
    """Publish some events."""
    for number in range(1, count + 1):
        daemon.publish(Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, str(number)))


async def test_the_journal_has_pages(tmp_path: Path, served: Any, call: Any) -> None:
    """The id of the first event leads to the page before it."""
    async with served(tmp_path) as daemon:
        publish(daemon, 5)
        page = await call("history?limit=2")
        assert [event["detail"] for event in page] == ["4", "5"]
        page = await call(f"history?limit=2&before={page[0]['id']}")
        assert [event["detail"] for event in page] == ["2", "3"]
        assert await call("history?before=1") == []


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "", "9999999999999999"])
async def test_an_invalid_page_is_a_problem(tmp_path: Path, served: Any, call: Any, before: str) -> None:
    """The message says what to send."""
    async with served(tmp_path):
        with pytest.raises(PortmapperError, match="before must be the id of an event"):
            await call(f"history?before={before}")


async def test_parts_of_the_status_have_their_own_paths(tmp_path: Path, served: Any, call: Any) -> None:
    """They are lists."""
    async with served(tmp_path) as daemon:
        daemon.document = {**forty_one(), "problems": []}
        assert await call("gateways") == daemon.document["gateways"]
        assert await call("sources") == daemon.document["sources"]
        mappings = await call("mappings")
        assert [mapping["reason"] for mapping in mappings].count(None) == 40
        assert (await call("summary"))["open"] == 40
        assert set(await call("version")) == {"version", "api", "plugin_api"}
        assert (await call("openapi.json"))["openapi"] == "3.1.0"


async def test_health_and_readiness(tmp_path: Path, served: Any, call: Any) -> None:
    """The reasons are in the problem."""
    async with served(tmp_path) as daemon:
        assert await call("/healthz") == {"status": "ok"}
        assert await call("/readyz") == {"status": "ok"}
        daemon.reasons = ["no gateway answers", "x"]
        with pytest.raises(PortmapperError, match="no gateway answers; x"):
            await call("/readyz")


async def test_a_request_with_too_many_mappings_is_refused(tmp_path: Path, served: Any, call: Any) -> None:
    """It would block the daemon."""
    async with served(tmp_path):
        with pytest.raises(PortmapperError, match="may have 1000 mappings, this has 1001"):
            await call("open", "POST", {"mappings": [{"port": 1}] * 1001})
