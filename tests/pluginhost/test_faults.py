"""Faults of plugins are recorded by plugin, and stay few and short."""

from __future__ import annotations

import logging

import pytest

from portmapper.api.backend import Backend
from portmapper.api.errors import PluginFault, PortmapperError, SettingError
from portmapper.pluginhost.faults import FAULTS, instantiate, record_fault
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import GATEWAY, FakeDevice


def test_a_class_that_cannot_be_instantiated_is_skipped() -> None:
    """The fault is recorded, and the other classes are instantiated."""

    class Unmakeable(FakeBackend):
        name = "unmakeable"

        def __init__(self) -> None:
            raise OSError("no such device")

    device = FakeDevice(FakeClock(), GATEWAY)
    good = FakeBackend("good", device)
    backends: list[Backend] = instantiate("backend", [Unmakeable, lambda: good])
    assert backends == [good]
    assert FAULTS.document() == [{"plugin": "backend:unmakeable", "error": "no such device", "count": 1}]


def test_faults_stay_few_and_short() -> None:
    """Regardless of the number of plugins and the length of their messages."""
    for number in range(120):
        FAULTS.record(f"backend:b{number}", "x\n" * 10_000)
    assert len(FAULTS.document()) == 100
    assert all(len(fault["error"]) <= 300 for fault in FAULTS.document())


def test_a_fault_is_an_error_of_the_vocabulary() -> None:
    """Callers that catch `PortmapperError` catch it."""
    assert isinstance(record_fault("backend:x", "it lied"), PortmapperError)


def test_a_fault_is_one_line_with_the_plugins_name() -> None:
    """An exception is named by its type."""
    error = record_fault("backend:x", ZeroDivisionError("a bug\nof two lines"))
    assert isinstance(error, PluginFault)
    assert str(error) == "the backend x is broken: ZeroDivisionError: a bug of two lines"


def test_a_repeated_fault_is_counted_but_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A different fault of the same plugin is logged again."""
    caplog.set_level(logging.WARNING)
    for reason in ("one", "one", "other"):
        record_fault("backend:x", reason)
    assert caplog.messages == ["plugin backend:x: one", "plugin backend:x: other"]
    assert FAULTS.document() == [{"plugin": "backend:x", "error": "other", "count": 3}]


def test_alternating_faults_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    """A plugin that fails in two ways in turn does not fill the log."""
    caplog.set_level(logging.WARNING)
    for _ in range(100):
        record_fault("backend:x", "one")
        record_fault("backend:x", "other")
    assert caplog.messages == ["plugin backend:x: one", "plugin backend:x: other"]


def test_an_error_of_the_project_shows_no_type_name() -> None:
    """Its text is for the user, such as that of an invalid setting."""
    error = record_fault("backend:x", SettingError(("plugin", "x", "url"), "missing"))
    assert "SettingError" not in f"{error} {FAULTS.document()}"
