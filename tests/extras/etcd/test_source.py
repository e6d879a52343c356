"""The source `etcd` with a real etcd."""

from __future__ import annotations

import asyncio
import json

import pytest
from etcd_server import Server
from portmapper_etcd.location import end_of_prefix
from portmapper_etcd.source import EtcdSource

from portmapper.testing import SourceContract, SourceSubject

WEB = {"port": 8443, "protocol": "tcp", "comment": "web"}
PREFIX = "portmapper/ports/"


@pytest.fixture
async def source(etcd: Server) -> EtcdSource:
    """A source with one row; a key beside the prefix does not belong to it."""
    await etcd.put(f"{PREFIX}web", json.dumps(WEB))
    await etcd.put("portmapper/portt", json.dumps(WEB))
    return EtcdSource(f"etcd:{etcd.url}/{PREFIX}")


class TestContract(SourceContract):
    """The source can fail and can be silent."""

    @pytest.fixture
    def subject(self, etcd: Server, source: EtcdSource) -> SourceSubject:
        """Return the source."""
        return SourceSubject(source, [WEB], fail=etcd.stop, stall=etcd.suspend)


async def test_an_invalid_value_does_not_affect_the_others(etcd: Server, source: EtcdSource) -> None:
    """The message names its key, and each row has its key as the origin."""
    for key, value in {"bad": "port 80", "list": "[1]", "z": "{}", "{}": "x"}.items():
        await etcd.put(PREFIX + key, value)
    rows = {row.origin.removeprefix(PREFIX): row for row in await source.fetch()}
    assert rows["web"].fields == WEB
    assert rows["bad"].error == rows["list"].error == "the value is not a JSON object"
    assert rows["bad"].where == f"key {PREFIX}bad"
    assert rows["z"].error == ""
    assert rows["{}"].field_where.replace("{}", "port").endswith("ports/(}, port")


async def test_changes_are_announced(etcd: Server, source: EtcdSource) -> None:
    """Each change and each deletion, also after etcd was restarted."""
    changed = asyncio.Event()
    await source.fetch()
    await source.watch(changed.set)
    try:
        await etcd.put(f"{PREFIX}game", json.dumps({**WEB, "port": 9000}))
        await asyncio.wait_for(changed.wait(), 60)
        assert len(await source.fetch()) == 2
        changed.clear()
        await etcd.delete(f"{PREFIX}game")
        await asyncio.wait_for(changed.wait(), 60)
        etcd.stop()
        await asyncio.to_thread(etcd.start)
        await etcd.put(f"{PREFIX}game", json.dumps(WEB))
        while len(await source.fetch()) != 2:
            changed.clear()
            await asyncio.wait_for(changed.wait(), 60)
    finally:
        await source.close()


@pytest.mark.parametrize(("prefix", "end"), [(b"a/", b"a0"), (b"a\xff", b"b"), (b"\xff\xff", b"\0")])
def test_the_end_of_a_prefix_is_the_next_key(prefix: bytes, end: bytes) -> None:
    """etcd reads a range of keys."""
    assert end_of_prefix(prefix) == end
