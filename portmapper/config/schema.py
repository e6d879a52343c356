"""The shape of the settings file, `portmapper.toml`: every key that the core has, and what it means."""

from __future__ import annotations

import enum
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.config import READ
from portmapper.api.errors import RowError, quoted
from portmapper.api.model import PROTOCOLS, ConflictPolicy, Family, IPNetwork, Protocol
from portmapper.sources.address_syntax import parse_address
from portmapper.sources.policy import EVERY_PORT, Action, Rule
from portmapper.sources.port_syntax import ANY, parse_ports
from portmapper.sources.row_parser import FAMILIES

MAX_INTERVAL = 86400 * 365

NAME = "portmapper.toml"


class LogLevel(enum.StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(enum.StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 1 <= value <= MAX_INTERVAL:  # type: ignore[operator]
        raise ValueError(f"{quoted(value)} is not a number of seconds, 1 or more")
    return float(value)  # type: ignore[arg-type]


def _families(value: object) -> tuple[Family, ...]:
    if isinstance(value, str) and value.lower() in FAMILIES:
        return FAMILIES[value.lower()]
    raise ValueError(f"{quoted(value)} is not one of {', '.join(FAMILIES)}")


def _ports(value: object) -> range:
    ports = parse_ports(str(value)) if type(value) in (int, str) else ANY
    if ports == ANY:
        raise ValueError(f"{quoted(value)} is neither a port nor a range such as '1024-65535'")
    return ports


def _protocols(value: object) -> tuple[Protocol, ...]:
    if isinstance(value, str) and value.upper() in PROTOCOLS:
        return PROTOCOLS[value.upper()]
    raise ValueError(f"{quoted(value)} is not one of tcp, udp, both")


def _network(value: object) -> IPNetwork:
    import ipaddress

    try:
        parsed = parse_address(value) if isinstance(value, str) else None
    except RowError as error:
        raise ValueError(error.reason) from None
    if parsed is None:
        raise ValueError(f"{quoted(value)} is neither an address nor a network")
    return ipaddress.ip_network(parsed)


def _delimiter(value: object) -> str:
    from portmapper.api.errors import UsageError
    from portmapper.sources.reader import csv_delimiter

    try:
        return csv_delimiter(value if isinstance(value, str) else "")
    except UsageError as error:
        raise ValueError(str(error)) from None


def _rows(value: object) -> tuple[AnyMapping[str, object], ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ValueError("is not an array of tables: write [[mapping]]")
    return tuple(value)


@attrs.frozen
class BackendSettings:
    """The table `[backend]`.

    Attributes:
        order: these first, in this order; the others follow by their rank.
        forbidden: never use these.
    """

    order: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


@attrs.frozen
class LogSettings:
    """The table `[log]`.

    Attributes:
        level: `debug`, `info`, `warning` or `error`; None is `info`, `warning` for one pass.
        format: `text` or `json`.
        file: log there, an absolute path; None is standard error, in the background the system's log.
    """

    level: LogLevel | None = None
    format: LogFormat = LogFormat.TEXT
    file: Path | None = None


@attrs.frozen
class RuleSettings:
    """One table `[[policy]]`: a rule on what may be opened, whoever lists it. The first that matches decides.

    Attributes:
        action: `allow` or `deny`.
        port: external port or range, such as `"1024-65535"`; left out: every one.
        internal_port: port or range on the host that listens; left out: every one.
        protocol: `tcp`, `udp` or `both`.
        address: the host that listens, an address or a network; left out: every one.
    """

    action: Action
    port: range = attrs.field(default=EVERY_PORT, metadata={READ: _ports})
    internal_port: range = attrs.field(default=EVERY_PORT, metadata={READ: _ports})
    protocol: tuple[Protocol, ...] = attrs.field(default=PROTOCOLS["BOTH"], metadata={READ: _protocols})
    address: IPNetwork | None = attrs.field(default=None, metadata={READ: _network})

    @property
    def rule(self) -> Rule:
        """The same as the policy has it."""
        return Rule(self.action, self.port, self.internal_port, self.protocol, self.address)


@attrs.frozen
class Settings:
    """The settings file's top level.

    Attributes:
        sources: lists to keep open: paths (relative ones from the settings file's directory) and URLs.
        format: of the sources: `auto`, `csv`, `json`, `toml`, or a plugin's.
        csv_delimiter: what separates the columns of a CSV file.
        mapping: tables `[[mapping]]`, with the fields of a list.
        interval: seconds; how often sources are read again and leases verified.
        conflict: `own`, `next`, `take` or `fail`, for mappings that do not say.
        family: `ipv4`, `ipv6` or `both`, for mappings that do not say.
        close_ports_on_exit: release on exit what this run opened.
        gateway: ask these and search no other, as `--gateway` takes them.
        backend: which protocols, and in which order.
        policy: what may be opened at all.
        state_dir: where leases, journal, pid file and socket are kept; an absolute path.
        pid_file: an absolute path; left out: in the state directory.
        disable_plugins: names of plugins that are not loaded.
        log: what is logged, where and how.
    """

    sources: tuple[str, ...] = ()
    format: str = "auto"
    csv_delimiter: str = attrs.field(default=";", metadata={READ: _delimiter})
    mapping: tuple[AnyMapping[str, Any], ...] = attrs.field(default=(), metadata={READ: _rows})
    interval: float = attrs.field(default=60.0, metadata={READ: _seconds})
    conflict: ConflictPolicy = ConflictPolicy.OWN
    family: tuple[Family, ...] = attrs.field(default=(Family.IPV4,), metadata={READ: _families})
    close_ports_on_exit: bool = False
    gateway: tuple[str, ...] = ()
    backend: BackendSettings = attrs.field(factory=BackendSettings)
    policy: tuple[RuleSettings, ...] = ()
    state_dir: Path | None = None
    pid_file: Path | None = None
    disable_plugins: tuple[str, ...] = ()
    log: LogSettings = attrs.field(factory=LogSettings)
