"""The report for an issue: what doctor found, with versions, settings, status, history and log, redacted."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from portmapper import __version__
from portmapper.api.errors import PortmapperError
from portmapper.control.client import NotRunning, call_daemon
from portmapper.doctor.known_values import redactor_for, without_secrets
from portmapper.network.host import read_network
from portmapper.observability.status import stored_document
from portmapper.pluginhost.manager import PluginReport
from portmapper.store.leases import FILE_NAME, Store
from portmapper.support.encodings import decoded, in_windows_letters
from portmapper.support.safe_open import opener_of_regular
from portmapper.support.text import printable
from portmapper.support.wall_clock import wall_now

DISTRIBUTION = "portmapperd"
EVENTS = 60
LOG_LINES = 200
LOG_BYTES = 65_536
LONGEST_LINE = 2000

INTRODUCTION = """\
Addresses, names of hosts, users and directories, comments, and secrets are replaced. Equal values have equal
substitutes. Read this report before you publish it: portmapper cannot know everything that is private.
"""

_PRIVATE_KEYS = ("comment", "title", "origin")
"""Keys of documents whose values name people, programs or objects."""

_HOLDER = re.compile(r"(held by \S+) \(.*\)")

T = TypeVar("T")
_Document = dict[str, Any]


@attrs.frozen
class ReportInput:
    """What a report is made of.

    Attributes:
        findings: the lines of doctor's report.
        words: the command line.
        state_dir: the state directory.
        settings_file: the settings file, if there is one.
        log_file: the log file, if one is configured.
        plugins: what became of each plugin.
        comments: comments of the lists that were read.
    """

    findings: Sequence[str]
    words: Sequence[str]
    state_dir: Path
    settings_file: Path | None
    log_file: Path | None
    plugins: Sequence[PluginReport]
    comments: Sequence[str] = ()


def write_report(path: Path, given: ReportInput) -> None:
    """Write the report, readable by its owner only.

    Raises:
        PortmapperError: the file cannot be written.
    """
    try:
        _write(path, report_text(given))
    except OSError as error:
        raise PortmapperError(f"cannot write the report {path}: {error.strerror}") from error


def report_text(given: ReportInput) -> str:
    """Return the redacted report; a part that cannot be read is replaced by the reason."""
    settings, known = _settings(given.settings_file)
    status, events = _status(given.state_dir), _history(given.state_dir)
    base = given.settings_file.parent if given.settings_file else Path()
    comments = [*_private([known, status, events]), *given.comments]
    redactor = redactor_for(known, base, comments, given.words)
    parts: Sequence[tuple[str, Callable[[], Iterable[str]]]] = (
        ("Versions", _versions),
        ("Plugins", lambda: map(_plugin_line, given.plugins)),
        ("Command", lambda: [" ".join(given.words)]),
        ("Settings", lambda: _json(without_secrets(settings)) if settings else ["no settings file"]),
        ("Environment", _environment),
        ("Network", _network),
        ("Doctor", lambda: map(_without_holder, given.findings)),
        ("Status", lambda: _json(_without_comments(status))),
        ("History", lambda: map(_event_line, events)),
        ("Log", lambda: _log_tail(given.log_file)),
    )
    heading = f"portmapper report of {wall_now():%Y-%m-%d %H:%M} UTC\n\n{INTRODUCTION}"
    texts = [f"## {title}\n\n{_text(lines, redactor.redact)}\n" for title, lines in parts]
    return "\n".join([heading, *texts])


def _text(lines: Callable[[], Iterable[str]], redact: Callable[[str], str]) -> str:
    try:
        shown = [printable(redact(_bounded(line)), LONGEST_LINE).rstrip() for line in lines()]
    except (OSError, ValueError, PortmapperError) as error:
        shown = [f"not available: {printable(redact(str(error)))}"]
    return "\n".join(shown) or "nothing"


def _bounded(line: str) -> str:
    """Cut a very long line between two words: half a secret would not be recognized."""
    return line if len(line) <= 2 * LONGEST_LINE else line[: 2 * LONGEST_LINE].rpartition(" ")[0]


def _without_holder(finding: str) -> str:
    """Replace the comment of another host's mapping, which the gateway showed."""
    return _HOLDER.sub(r"\1 (<comment>)", finding)


def _versions() -> Iterator[str]:
    yield f"portmapper {__version__}"
    yield f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    yield f"{platform.machine()}, {sys.platform}, user ID {getattr(os, 'geteuid', lambda: 'unknown')()}"
    try:
        required = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        required = []
    for requirement in required:
        if "extra ==" not in requirement:
            yield _version_of(requirement)


def _version_of(requirement: str) -> str:
    name = requirement.split(";")[0].split(">")[0].split("=")[0].strip()
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"


def _plugin_line(report: PluginReport) -> str:
    reason = f": {report.error}" if report.error else ""
    return f"{report.name} {report.version} ({report.distribution}) {report.state}{reason}"


def _settings(path: Path | None) -> tuple[_Document, _Document]:
    """Return the settings to show, and a document with every value in the file."""
    if path is None:
        return {}, {}
    try:
        text = in_windows_letters(decoded(path.read_bytes()))
    except (OSError, ValueError) as error:
        return {"sources": [f"cannot read the settings: {error}"]}, {}
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        # The text is not shown: what is not TOML cannot be searched for secrets as a whole.
        lines = {"lines": list(_valid_lines(text))}
        return {"sources": [f"cannot read the settings: {error}"]}, lines
    return document, document


def _valid_lines(text: str) -> Iterator[_Document]:
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            yield tomllib.loads(line)


def _environment() -> Iterator[str]:
    yield from (f"{name} is set" for name in sorted(os.environ) if name.startswith("PORTMAPPER_"))
    for name in ("STATE_DIRECTORY", "JOURNAL_STREAM", "NOTIFY_SOCKET", "container", "HTTPS_PROXY", "LANG"):
        if name in os.environ:
            yield f"{name} is set"


def _network() -> Iterator[str]:
    network = read_network()
    for interface in network.interfaces:
        yield f"{interface.name}: {', '.join(map(str, interface.addresses)) or 'no address'}"
    for route in network.routes:
        yield f"default route via {route.gateway} on {route.interface}"


def _status(directory: Path) -> _Document:
    try:
        document: _Document = call_daemon(directory, "status")
    except NotRunning:
        return _stored(directory)
    except PortmapperError as error:
        return {"problem": str(error)}
    return document


def _stored(directory: Path) -> _Document:
    try:
        return _from_store(directory, lambda store: stored_document(store.leases))
    except PortmapperError as error:
        return {"problem": str(error)}


def _history(directory: Path) -> list[_Document]:
    try:
        return _from_store(directory, lambda store: store.history(EVENTS))
    except PortmapperError:
        return []  # the part "Status" has the reason


def _from_store(directory: Path, read: Callable[[Store], T]) -> T:
    path = directory / FILE_NAME
    store = Store(path if path.exists() else None)
    try:
        return read(store)
    finally:
        store.close()


def _event_line(event: _Document) -> str:
    shown = {name: value for name, value in event.items() if name not in _PRIVATE_KEYS}
    return " ".join(f"{name}={value}" for name, value in shown.items() if value not in (None, ""))


def _log_tail(path: Path | None) -> list[str]:
    if path is None:
        return ["no log file is configured; add the lines of the journal that belong to the problem"]
    with open(path, "rb", opener=opener_of_regular) as stream:
        skipped = max(0, os.fstat(stream.fileno()).st_size - LOG_BYTES)
        stream.seek(skipped)
        lines = stream.read(LOG_BYTES).decode("utf-8", "replace").splitlines()
        # Half a line may begin with half a secret.
        return lines[1 if skipped else 0 :][-LOG_LINES:]


def _json(document: Mapping[str, Any]) -> list[str]:
    return json.dumps(document, indent=1, default=str, ensure_ascii=False).splitlines()


def _private(value: Any) -> Iterator[str]:
    """Yield the values of private keys, at any depth."""
    if isinstance(value, Mapping):
        yield from (value[key] for key in _PRIVATE_KEYS if isinstance(value.get(key), str))
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _private(inner)


def _without_comments(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_comments(inner) for name, inner in value.items() if name not in _PRIVATE_KEYS}
    return [_without_comments(inner) for inner in value] if isinstance(value, list) else value


def _write(path: Path, text: str) -> None:
    """Replace the file at once; a link or a file of another user at the path stays as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")  # such as /dev/stdout
        return
    file, name = tempfile.mkstemp(dir=path.parent, prefix=".portmapper-report-")
    try:
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
