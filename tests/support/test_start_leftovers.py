"""What the imports of a start have left is freed before a daemon imports more."""

from __future__ import annotations

import gc
import linecache
import weakref
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from portmapper.api.command import build_parser
from portmapper.cli.background import tasks_beside
from portmapper.cli.run import Run
from portmapper.config.loader import SettingsFile
from portmapper.control.listener import ControlListener
from portmapper.support import start_leftovers
from portmapper.support.start_leftovers import StartLeftovers


@pytest.mark.parametrize("matter", [True, False])
def test_a_process_that_runs_for_long_frees_them(matter: bool) -> None:
    """A single pass ends before it needs the memory."""

    class Plain:
        number: int

    twice = weakref.ref(Plain)
    kept = attrs.frozen(Plain)
    del Plain
    assert twice() is not kept
    leftovers = StartLeftovers()
    leftovers.matter = matter
    gc.disable()
    try:
        leftovers.free()
        assert (twice() is None) is matter
        assert not (matter and any(name.startswith("<attrs") for name in linecache.cache))
    finally:
        gc.enable()


def test_they_are_freed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes later is not left by a start."""
    collections: list[None] = []
    monkeypatch.setattr(gc, "collect", lambda: collections.append(None))
    leftovers = StartLeftovers()
    leftovers.matter = True
    leftovers.free()
    leftovers.free()
    assert len(collections) == 1


def test_the_memory_of_a_daemon_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run for months. Before it starts, nothing does."""
    leftovers = StartLeftovers()
    assert not leftovers.matter
    monkeypatch.setattr(start_leftovers, "LEFTOVERS", leftovers)
    arguments = build_parser(Run()).parse_args(["--log-format", "json", "list.csv"])
    arguments.settings_file, arguments.given = SettingsFile(), arguments
    tasks_beside(arguments, cast(Any, None), ControlListener(tmp_path), cast(Any, None))
    assert leftovers.matter
