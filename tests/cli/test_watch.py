"""The live screen of `run` and of `status --watch`."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from status_documents import forty_one

from portmapper.cli import watch
from portmapper.cli.streams import make_streams_safe
from portmapper.cli.watch import LiveScreen, LogTail, live_screen, plain_screens


async def shown_until_cancelled(document: Any) -> None:
    """Show the live screen until it has asked for the document, then cancel it."""
    asked = asyncio.Event()

    def asking() -> dict[str, Any]:
        asked.set()
        result: dict[str, Any] = document()
        return result

    task = asyncio.create_task(live_screen(asking, lambda: None))
    await asked.wait()
    task.cancel()
    await asyncio.wait([task])


async def test_the_last_state_is_printed_after_cancellation(capsys: pytest.CaptureFixture[str]) -> None:
    """Log handlers that do not write to the terminal keep their stream."""
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    stream = handler.stream
    await shown_until_cancelled(forty_one)
    assert "40 of 41 open" in capsys.readouterr().out
    assert handler.stream is stream


async def test_nothing_is_printed_if_no_list_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that failed leaves only its error on the terminal."""
    printed: list[object] = []
    monkeypatch.setattr(watch, "print_status", printed.append)
    document = {**forty_one(), "mappings": []}
    document["sources"] = [{**source, "state": "failed"} for source in document["sources"]]
    await shown_until_cancelled(lambda: document)
    assert printed == []


class _Terminal(io.StringIO):
    """A standard error stream that is a terminal."""

    def isatty(self) -> bool:
        return True


async def test_log_lines_never_displace_the_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept while the screen is shown, and printed after it was left."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])

    def document() -> dict[str, Any]:
        root.error("a gateway restarted")
        assert terminal.getvalue() == ""
        return forty_one()

    with monkeypatch.context() as patched:
        patched.setattr(watch, "print_status", lambda _: None)
        await shown_until_cancelled(
            lambda: document() if isinstance(handler.stream, LogTail) else forty_one()
        )
    assert "a gateway restarted" in terminal.getvalue()


def test_the_screen_is_full_and_ends_with_the_log_and_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line stays the answer, with the log below the mappings."""
    screen = LiveScreen(forty_one, lambda: None)
    monkeypatch.setattr(screen, "_console", Console(width=80, height=24))
    screen._log.write("first\nsecond\x1b[2J\n")
    lines = [line.text for line in screen._screen("q quit").lines]
    assert len(lines) == 24
    assert lines[0].startswith("40 of 41 open")
    assert lines[-3:] == ["first", "second\\x1b[2J", "q quit"]


def test_keys_scroll_and_quit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrolling stops at both ends."""
    quits: list[bool] = []
    screen = LiveScreen(forty_one, lambda: quits.append(True))
    monkeypatch.setattr(screen, "_console", Console(width=80, height=24))
    starts = []
    for key in ("down", "page down", "end", "up", "home", "up"):
        screen._pressed(key)
        starts.append(screen._screen("").scroll)
    assert starts[0] == 1
    assert starts[1] > 1
    assert starts[3] == starts[2] - 1
    assert starts[4:] == [0, 0]
    screen._pressed("quit")
    assert quits == [True]


def test_a_log_line_that_is_too_wide_loses_its_date_first() -> None:
    """What happened matters more than the day: the screen is about now."""
    line = "2026-11-29 06:42:51+00:00 INFO    opened 8080/tcp → 127.0.0.1:8080 over PCP on 127.0.0.1"
    other = "2026-11-29 06:42:52+00:00 WARNING x"
    short = "06:42:51 opened 8080/tcp → 127.0.0.1:8080 over PCP on 127.0.0.1"
    assert watch._shortened([line, other], 80) == [short, "06:42:52 x"]
    assert watch._shortened([line, other], 120) == [line, other]
    assert watch._shortened(['{"at": "2026-11-29"}'], 10) == ['{"at": "2026-11-29"}']


def test_replaced_characters_make_no_line_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, the first line would leave a screen of 24 lines."""
    make_streams_safe()
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii", errors="spell_out")
    screen = LiveScreen(forty_one, lambda: None)
    monkeypatch.setattr(screen, "_console", Console(width=80, height=24, file=ascii_only))
    screen._log.write(
        "opened 8080/tcp → 192.168.88.10:8080 over PCP on 192.168.88.1: open since an earlier run\n"
    )
    lines = [line.text for line in screen._screen("↑ ↓ scroll · q quit").lines]
    assert lines[-1] == "up down scroll - q quit"
    assert lines[-2].startswith("opened 8080/tcp -> 192.168.88.10:8080 ")
    assert all(len(line) <= 80 and line.isascii() for line in lines)


async def test_a_pipe_gets_a_plain_screen_at_each_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remaining time is no change."""
    monkeypatch.setattr(watch, "REFRESH", 0)
    first, second = forty_one(), forty_one()
    second["mappings"][0] = {**second["mappings"][0], "expires_at": "2026-11-28T12:00:00+00:00"}
    third = {**second, "error": "the disk is full"}
    documents = iter([first, second, third])
    with pytest.raises(StopAsyncIteration):
        await plain_screens(lambda: _next(documents))
    text = capsys.readouterr().out
    assert text.count(" open · ") == 2
    assert text.count("the disk is full") == 1


def _next(documents: Iterator[dict[str, Any]]) -> dict[str, Any]:
    for document in documents:
        return document
    raise StopAsyncIteration
