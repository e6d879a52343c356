"""A reload puts valid settings into effect, and keeps the old ones otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from portmapper.api.errors import UsageError
from portmapper.daemon.reloadable import Reloadable
from portmapper.daemon.reloading import Reloading
from portmapper.daemon.systemd import ServiceManager

OLD, NEW = Reloadable(), Reloadable()


def reloading(load: Callable[[], Reloadable] | None, applied: list[Reloadable]) -> Reloading:
    """Return a reloading that starts with the old settings."""
    return Reloading(OLD, load, applied.append, ServiceManager())


async def test_new_settings_are_in_effect_after_a_reload() -> None:
    """They are put into effect once."""
    applied: list[Reloadable] = []
    subject = reloading(lambda: NEW, applied)
    assert subject.reload() is None
    assert subject.settings is NEW
    assert [settings is NEW for settings in applied] == [True]


async def test_invalid_settings_leave_the_old_ones_in_effect() -> None:
    """The sources are read again all the same."""

    def load() -> Reloadable:
        raise UsageError("unknown key")

    applied: list[Reloadable] = []
    subject = reloading(load, applied)
    assert str(subject.reload()) == "unknown key"
    assert [settings is OLD for settings in applied] == [True]
    with pytest.raises(UsageError, match="unknown key; the old settings stay in effect"):
        await subject.reload_and_wait()


async def test_a_client_waits_until_the_sources_have_been_read() -> None:
    """Those of this reload, and not of an earlier one."""
    subject = reloading(None, [])
    subject.sources_read()
    waiting = asyncio.create_task(subject.reload_and_wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    subject.sources_read()
    await waiting
