"""Commands run with the fields of an event, without a shell and within their limits."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api.events import EventKind
from portmapper.api.model import Protocol
from portmapper_hooks import command
from portmapper_hooks.command import CommandObserver

WRITE = "import json,os,sys; p=os.environ['PORTMAPPER_EXTERNAL_PORT']; open(sys.argv[1],'a').write(p+'\\n')"
WRITE_FIELDS = (
    "import json,os,sys; f=json.load(sys.stdin);"
    "e={k:v for k,v in os.environ.items() if k.startswith('PORTMAPPER_')};"
    "json.dump([f,e,sys.argv[2:]], open(sys.argv[1]+'.new','w')); os.rename(sys.argv[1]+'.new',sys.argv[1])"
)


@pytest.fixture
def make_observer(stack: AsyncExitStack) -> Callable[..., CommandObserver]:
    """Return a function that makes an observer from `[[hook]]` tables."""

    def make(*tables: dict[str, Any]) -> CommandObserver:
        observer = CommandObserver.from_table(list(tables))
        assert observer is not None
        stack.push_async_callback(observer.close)
        return observer

    return make


def python(code: str, *arguments: object) -> list[str]:
    """Return the command that runs this Python code."""
    return [sys.executable, "-S", "-c", code, *map(str, arguments)]


async def test_a_command_gets_the_fields_of_the_event(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """It gets them as environment variables and as JSON; no shell expands its arguments."""
    output = tmp_path / "output"
    observer = make_observer({"on": "opened", "run": python(WRITE_FIELDS, output, "$HOME; touch x")})
    await observer.observe(event(comment="web\nserver", detail="\x1b[31m"))
    await until(output.exists)
    fields, environment, arguments = json.loads(output.read_text())
    assert (fields["event"], fields["external_port"], fields["external_address"]) == ("opened", 8080, None)
    assert environment["PORTMAPPER_EVENT"] == "opened"
    assert environment["PORTMAPPER_INTERNAL_ADDRESS"] == "192.168.1.5"
    assert environment["PORTMAPPER_EXTERNAL_ADDRESS"] == ""
    assert environment["PORTMAPPER_COMMENT"] == "web server"
    assert "\x1b" not in environment["PORTMAPPER_DETAIL"]
    assert arguments == ["$HOME; touch x"]


async def test_a_command_runs_only_for_its_events(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """`on` is an event name or a list of event names."""
    seen = tmp_path / "seen"
    observer = make_observer({"on": ["closed", "external_port_changed"], "run": python(WRITE, seen)})
    await observer.observe(event(1, EventKind.OPENED))
    await observer.observe(event(2, EventKind.CLOSED))
    await observer.observe(event(3, EventKind.EXTERNAL_PORT_CHANGED))
    await until(lambda: seen.exists() and seen.read_text().split() == ["2", "3"])


async def test_events_of_one_mapping_run_in_order(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """Commands of different mappings run concurrently, those of one mapping do not."""
    seen = tmp_path / "seen"
    observer = make_observer({"on": "opened", "run": python(WRITE, seen)})
    for port in range(1, 11):
        await observer.observe(event(port))
    await until(lambda: seen.exists() and len(seen.read_text().split()) == 10)
    assert seen.read_text().split() == [str(port) for port in range(1, 11)]


@posix_only("uses fork")
async def test_a_command_that_hangs_is_killed_with_its_children(
    make_observer: Any, event: Any, until: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The time limit ends it, and other hooks do not wait for it."""
    pids, seen = tmp_path / "pids", tmp_path / "seen"
    hang = (
        "import os,sys,time; child=os.fork();"
        "child or time.sleep(600);"
        "open(sys.argv[1]+'.new','w').write(f'{os.getpid()} {child}');"
        "os.rename(sys.argv[1]+'.new',sys.argv[1]); time.sleep(600)"
    )
    observer = make_observer(
        {"on": "opened", "run": python(hang, pids), "time_limit": 5, "attempts": 1},
        {"on": "opened", "run": python(WRITE, seen)},
    )
    await observer.observe(event(7))
    await until(lambda: seen.exists() and "killed after 5 s" in caplog.text)
    # On a machine under load, the time limit may expire before the program writes the file.
    known = pids.read_text().split() if pids.exists() else []
    await until(lambda: not any(_lives(int(pid)) for pid in known))


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (["/nowhere/at/all"], "No such file or directory"),
        (["/"], "Permission denied"),
        (python("import sys; sys.exit('no\\x1b[2Jway ' + 'x'*1000000)"), "exit status 1: no\\x1b[2Jway xxx"),
    ],
)
@posix_only("compares words of Unix")
async def test_a_failure_is_logged_on_one_line(
    make_observer: Any, event: Any, until: Any, caplog: pytest.LogCaptureFixture, run: list[str], message: str
) -> None:
    """The line contains the program's standard error, escaped and cut."""
    observer = make_observer({"on": "opened", "run": run})
    await observer.observe(event())
    await until(lambda: message in caplog.text)
    assert "\x1b" not in caplog.text
    assert len(caplog.text) < 2000


@posix_only("uses fork")
async def test_a_background_child_does_not_delay_the_next_command(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """The observer waits for neither standard input nor a child that keeps standard error open."""
    seen, pid = tmp_path / "seen", tmp_path / "pid"
    leave = (
        "import os,sys,time; child=os.fork();"
        "child or (os.setsid(), time.sleep(600), os._exit(0));"
        "open(sys.argv[1],'w').write(str(child)); os.close(0)"
    )
    observer = make_observer(
        {"on": "opened", "run": python(leave, pid), "time_limit": 500},
        {"on": "opened", "run": python(WRITE, seen)},
    )
    try:
        await observer.observe(event())
        await until(lambda: seen.exists() and pid.exists() and pid.read_text())
    finally:
        os.kill(int(pid.read_text()), 9)


async def test_running_commands_are_canceled_on_close(
    make_observer: Any, event: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon waits only until the limit."""
    monkeypatch.setattr(command, "FINISH_LIMIT", 0.05)
    observer = make_observer(
        {"on": "opened", "run": python("import time; time.sleep(600)"), "time_limit": 500}
    )
    await observer.observe(event())
    await observer.observe(event())
    await observer.close()
    assert "canceled 2 unfinished hooks" in caplog.text


@posix_only("runs a script of Unix")
async def test_a_missing_program_is_run_once_it_exists(
    make_observer: Any, event: Any, until: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line tells that it is missing, under the name of the hook."""
    program, seen = tmp_path / "program", tmp_path / "seen"
    observer = make_observer(
        {"on": "closed", "run": [str(program)], "name": "client", "attempts": 10, "delay": 0.05}
    )
    await observer.observe(event(kind=EventKind.CLOSED))
    await until(lambda: "hook client on closed: No such file or directory" in caplog.text)
    new = tmp_path / "new"
    new.write_text(f"#!/bin/sh\ntouch {seen}\n")
    new.chmod(0o755)
    new.rename(program)
    await until(seen.exists)
    assert len(caplog.records) == 1


async def test_a_newer_event_ends_the_attempts_for_an_older_one(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """The newest state wins, without a wait for the older event's delay."""
    seen = tmp_path / "seen"
    only_second = WRITE + "; sys.exit(p != '2')"
    observer = make_observer({"on": "opened", "run": python(only_second, seen), "delay": 600})
    await observer.observe(event(1))
    await until(lambda: seen.exists() and seen.read_text() == "1\n")
    await observer.observe(event(2))
    await until(lambda: seen.read_text() == "1\n2\n")


async def test_both_protocols_of_a_row_run_one_after_the_other(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """A program that changes one client's settings never runs twice at once."""
    seen = tmp_path / "seen"
    code = "import sys,time; f=open(sys.argv[1],'a'); f.write('+'); f.flush(); time.sleep(0.2); f.write('-')"
    observer = make_observer({"on": "opened", "run": python(code, seen)})
    for protocol in Protocol.TCP, Protocol.UDP:
        await observer.observe(event(protocol=protocol))
    await until(lambda: seen.exists() and seen.read_text() == "+-+-")


async def test_a_failure_for_both_protocols_of_a_row_is_logged_once(
    make_observer: Any, event: Any, until: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next event of the row is news again."""
    seen = tmp_path / "seen"
    code = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(3)"
    observer = make_observer({"on": "opened", "run": python(code, seen), "attempts": 1})
    for number in 1, 2:
        for protocol in Protocol.TCP, Protocol.UDP:
            await observer.observe(event(protocol=protocol))
        await until(lambda: not observer._queue._queued)
        assert seen.read_text() == "xx" * number
        assert len([text for text in caplog.messages if "exit status 3" in text]) == number


async def test_placeholders_in_arguments_are_filled(
    make_observer: Any, event: Any, until: Any, tmp_path: Path
) -> None:
    """No shell is involved, and braces that are no placeholder stay."""
    output = tmp_path / "output"
    words = ["{external_port}/{protocol}", "{comment}", '{"a": {b}}', "{external_address}"]
    observer = make_observer({"on": "opened", "run": python(WRITE_FIELDS, output, *words)})
    await observer.observe(event(comment="$(reboot) {event}"))
    await until(output.exists)
    assert json.loads(output.read_text())[2] == ["8080/TCP", "$(reboot) {event}", '{"a": {b}}', ""]
