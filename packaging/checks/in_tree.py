"""Checks portmapper's service inside a booted Debian; writes one line for each check.

    python3 in_tree.py COMMAND

COMMAND is the installed `portmapper`. The unit, its settings and an empty list are in place. A software
gateway on loopback takes the place of a router.
"""

from __future__ import annotations

import contextlib
import ctypes
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

PORTMAPPER = sys.argv[1]
LIST = Path("/etc/portmapper/ports.csv")
SETTINGS = Path("/etc/portmapper/portmapper.toml")
STATE = "/var/lib/portmapper"
UNIT = "portmapper.service"
LIMIT = 30.0
MOST_EXPOSED = 1.1

SIMULATOR = f"""\
[Service]
ExecStart={PORTMAPPER} simulate --pcp-port 5351 --http-port 0 --ssdp-port 0
"""

SECRET = "a secret of root"
WEBHOOK_PORT = 9780

CREDENTIAL = """\
[Service]
LoadCredential=webhook:/etc/portmapper/secrets/webhook
"""

WEBHOOK = f"""
[[webhook]]
on = ["opened"]
url = "http://127.0.0.1:{WEBHOOK_PORT}/"
secret_file = "/run/credentials/{UNIT}/webhook"
"""

IMPATIENT = """\
[Service]
WatchdogSec=2
TimeoutStopSec=2
RestartSec=1
"""


def run(*words: str) -> str:
    """Run a command and return its output."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def property_of(name: str) -> str:
    """Return a property of the unit."""
    return run("systemctl", "show", UNIT, "--property", name, "--value").strip()


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not {what}; journal: {run('journalctl', '-u', UNIT, '-n', '20')}")
        time.sleep(0.2)


def open_ports() -> set[int]:
    """Return the ports that the daemon keeps open."""
    return {mapping["external_port"] for mapping in mappings() if mapping["state"] == "active"}


def mappings() -> list[dict[str, Any]]:
    """Return the mappings in the daemon's status; none while it does not answer."""
    text = subprocess.run(
        [PORTMAPPER, "status", "--json", "--state-dir", STATE], check=False, capture_output=True, text=True
    ).stdout
    try:
        found: list[dict[str, Any]] = json.loads(text)["mappings"]
    except ValueError:
        return []
    return found


def it_starts_with_an_empty_list_and_waits() -> None:
    """The unit becomes ready and says in one line that there is nothing to open."""
    run("systemctl", "restart", UNIT)
    until(lambda: property_of("ActiveState") == "active", "active")
    assert property_of("SubState") == "running"


def it_opens_the_ports_of_its_list() -> None:
    """An edited list is read without a reload; the status line counts the open ports."""
    SETTINGS.write_text('sources = ["ports.csv"]\ngateway = ["127.0.0.1:5351"]\n')
    LIST.write_text("port;protocol\n8080;tcp\n")
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080}, "open")
    until(lambda: "1 of 1 mapping open" in property_of("StatusText"), "counted in the status line")


def a_reload_reads_lists_and_reports_invalid_settings() -> None:
    """`systemctl reload` applies an edit, and fails for invalid settings, which change nothing."""
    LIST.write_text("port;protocol\n8080;tcp\n8081;udp\n")
    assert subprocess.run(["systemctl", "reload", UNIT], check=False).returncode == 0
    until(lambda: open_ports() == {8080, 8081}, "both open")
    valid = SETTINGS.read_text()
    SETTINGS.write_text("nonsense = 1\n")
    assert subprocess.run(["systemctl", "reload", UNIT], check=False, capture_output=True).returncode != 0
    SETTINGS.write_text(valid)
    assert property_of("ActiveState") == "active"
    assert open_ports() == {8080, 8081}


def a_restart_keeps_the_ports_open() -> None:
    """No port is closed by a stop, and the next start takes the leases over."""
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080, 8081}, "open after the restart")
    history = json.loads(run(PORTMAPPER, "history", "--json", "--state-dir", STATE))
    assert "closed" not in {event["event"] for event in history}


def an_upgrade_keeps_the_leases() -> None:
    """Installing the program again and restarting the service closes and opens no port."""
    pip = Path(PORTMAPPER).with_name("pip")
    given = ("--no-index", "--find-links", "/root/given", "portmapperd")
    packages = map(str, Path("/root/given").glob("*.deb"))
    install = (str(pip), "install", "--quiet", "--force-reinstall", *given) if pip.exists() else None
    done = subprocess.run(
        install or ("dpkg", "--install", *packages), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080, 8081}, "open after the upgrade")
    history = json.loads(run(PORTMAPPER, "history", "--json", "--state-dir", STATE))
    latest = [(event["event"], event["detail"]) for event in history[-2:]]
    assert latest == [("opened", "open since an earlier run")] * 2, history
    assert "closed" not in {event["event"] for event in history}


def it_runs_as_its_own_user_without_rights() -> None:
    """The user exists only while the service runs, and has no capability; its files belong to it."""
    status = Path("/proc", property_of("MainPID"), "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = int(fields["Uid"].split()[0])
    assert 61184 <= user <= 65519, f"user ID {user}"
    assert "portmapper" not in Path("/etc/passwd").read_text()
    assert {fields[name].strip("0") for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}, status
    assert Path(STATE, "leases.sqlite3").stat().st_uid == user


def a_secret_arrives_as_a_credential() -> None:
    """As docs/service.md says: only root can read the file, and the daemon signs with its content."""
    secrets = Path("/etc/portmapper/secrets")
    secrets.mkdir(mode=0o700)
    secret = secrets / "webhook"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}\n")
    override("credential", CREDENTIAL)
    received: list[tuple[Message, bytes]] = []
    with receiver(received):
        SETTINGS.write_text(SETTINGS.read_text() + WEBHOOK)
        run("systemctl", "restart", UNIT)
        until(lambda: open_ports() == {8080, 8081}, "open with a credential")
        LIST.write_text(LIST.read_text() + "8082;tcp\n")
        run("systemctl", "reload", UNIT)
        until(lambda: received, "called")
    headers, body = received[0]
    signed = f"{headers['X-Portmapper-Timestamp']}.".encode() + body
    assert (
        headers["X-Portmapper-Signature"] == f"sha256={hmac.digest(SECRET.encode(), signed, 'sha256').hex()}"
    )
    LIST.write_text(LIST.read_text().replace("8082;tcp\n", ""))
    run("systemctl", "reload", UNIT)


@contextlib.contextmanager
def receiver(received: list[tuple[Message, bytes]]) -> Iterator[None]:
    """Receive requests of webhooks inside the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing to the result."""

    with HTTPServer(("127.0.0.1", WEBHOOK_PORT), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def override(name: str, text: str) -> None:
    """Add a drop-in to the unit, as `systemctl edit` does."""
    directory = Path(f"/run/systemd/system/{UNIT}.d")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.conf").write_text(text)
    run("systemctl", "daemon-reload")


def the_watchdog_restarts_a_daemon_whose_loop_stops() -> None:
    """The other threads continue, but only the loop reports that it is alive."""
    until(lambda: property_of("ActiveState") == "active", "ready: the watchdog does not watch it before")
    before = property_of("MainPID")
    with stopped_main_thread(int(before)) as is_dead:
        until(is_dead, "killed by the watchdog")
    until(lambda: property_of("MainPID") not in (before, "0"), "restarted by the watchdog")
    until(lambda: open_ports() == {8080, 8081}, "open again")
    assert "watchdog" in run("journalctl", "-u", UNIT, "-b").lower()


@contextlib.contextmanager
def stopped_main_thread(pid: int) -> Iterator[Callable[[], bool]]:
    """Stop one thread of a process, as a debugger does; the function returns whether the process is dead."""
    seize, interrupt, every_thread = 0x4206, 0x4207, 0x40000000
    trace = ctypes.CDLL(None, use_errno=True).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (seize, interrupt):
        if trace(request, pid, None, None):
            raise OSError(ctypes.get_errno(), "cannot stop the thread")

    def is_dead() -> bool:
        # systemd sees the end of the process after us.
        ended, status = os.waitpid(pid, os.WNOHANG | every_thread)
        return ended == pid and (os.WIFSIGNALED(status) or os.WIFEXITED(status))

    yield is_dead


def the_watchdog_restarts_a_stopped_process() -> None:
    """systemd ends a process that no longer reports, and starts another one."""
    override("impatient", IMPATIENT)
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080, 8081}, "open")
    before = property_of("MainPID")
    os.kill(int(before), signal.SIGSTOP)
    until(lambda: property_of("MainPID") not in (before, "0"), "restarted by the watchdog")
    until(lambda: open_ports() == {8080, 8081}, "open again")


def the_unit_is_hardly_exposed() -> None:
    """`systemd-analyze security` rates the unit."""
    text = run("systemd-analyze", "security", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for portmapper\.service: ([\d.]+)", text)
    assert found is not None, text
    assert float(found[1]) <= MOST_EXPOSED, found[0]


def the_journal_has_each_line_once_with_its_priority() -> None:
    """No second time in a line, and `journalctl -p warning` shows no information."""
    lines = [json.loads(line) for line in run("journalctl", "-u", UNIT, "-o", "json", "-a").splitlines()]
    own = [line for line in lines if line.get("SYSLOG_IDENTIFIER") in ("portmapper", "python", "python3")]
    assert own, "the journal has no line of portmapper"
    messages = [str(line["MESSAGE"]) for line in own]
    assert not [message for message in messages if re.match(r"\d{4}-\d\d-\d\d|<\d>", message)], messages
    assert {line["PRIORITY"] for line in own} & {"6"}, "no line is information"
    shown = run("journalctl", "-u", UNIT, "-p", "warning", "-o", "cat").splitlines()
    assert len([line for line in shown if "nonsense" in line]) == 1, shown
    assert not [line for line in shown if re.search(r"\bINFO\b|is open|opened|reloaded|renewed", line)], shown


CHECKS = (
    it_starts_with_an_empty_list_and_waits,
    it_opens_the_ports_of_its_list,
    a_reload_reads_lists_and_reports_invalid_settings,
    a_restart_keeps_the_ports_open,
    an_upgrade_keeps_the_leases,
    it_runs_as_its_own_user_without_rights,
    a_secret_arrives_as_a_credential,
    the_unit_is_hardly_exposed,
    the_watchdog_restarts_a_stopped_process,
    the_watchdog_restarts_a_daemon_whose_loop_stops,
    the_journal_has_each_line_once_with_its_priority,
)


def main() -> None:
    """Start the gateway, run each check, and report it."""
    Path("/run/systemd/system/simulator.service").write_text(SIMULATOR)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "simulator.service")
    for check in CHECKS:
        try:
            check()
        except Exception as error:
            print(f"FAILED {check.__name__}: {error!r}", flush=True)
        else:
            print(f"ok {check.__name__}", flush=True)


if __name__ == "__main__":
    main()
