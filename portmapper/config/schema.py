"""The schema of the settings file `portmapper.toml`: every key of the core and its meaning."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.config import READ
from portmapper.api.errors import RowError, quoted
from portmapper.api.model import PROTOCOLS, ConflictPolicy, Family, IPNetwork, Protocol
from portmapper.config.http_settings import HttpSettings
from portmapper.config.log_options import LogFormat, LogLevel
from portmapper.sources.address_syntax import parse_address
from portmapper.sources.field_parsers import FAMILIES, parse_conflict
from portmapper.sources.policy import EVERY_HOST, EVERY_PORT, Action, Rule
from portmapper.sources.port_syntax import ANY, parse_ports
from portmapper.sources.presets import Preset, read_presets
from portmapper.sources.row_parser import MAX_MAPPINGS as MAX_ROW_MAPPINGS
from portmapper.sources.trust import KEEP_SHARE, MAX_MAPPINGS, Limits, Trust, read_trust
from portmapper.support.duration import parse_duration
from portmapper.support.values import frozen

MAX_INTERVAL = 86400 * 365
MIN_PROBE_INTERVAL = 30

NAME = "portmapper.toml"


def _seconds(value: object) -> float:
    if isinstance(value, str):
        value = parse_duration(value)
    if type(value) not in (int, float) or not 1 <= value <= MAX_INTERVAL:  # type: ignore[operator]
        raise ValueError(f"{quoted(value)} is not a number of seconds, 1 or more")
    return float(value)  # type: ignore[arg-type]


def _probe_interval(value: object) -> float:
    seconds = _seconds(value)
    if seconds < MIN_PROBE_INTERVAL:
        raise ValueError(f"{quoted(value)} is too short: a probe server may be asked every 30 seconds")
    return seconds


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


def _remote(value: object) -> IPNetwork | str:
    if value == EVERY_HOST:
        return EVERY_HOST
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} is neither a network nor {EVERY_HOST!r}")
    from portmapper.sources.remote_syntax import parse_remote  # few settings files have such a rule

    return parse_remote(value)


def _probe_url(value: object) -> str:
    from portmapper.probe.server_url import parse_url  # few settings files name a probe server

    return parse_url(value)


def _delimiter(value: object) -> str:
    from portmapper.api.errors import UsageError
    from portmapper.sources.delimiter import csv_delimiter

    try:
        return csv_delimiter(value if isinstance(value, str) else "")
    except UsageError as error:
        raise ValueError(str(error)) from None


def _conflict(value: object) -> ConflictPolicy:
    return parse_conflict(value if isinstance(value, str) else str(value))


def _count(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_ROW_MAPPINGS:
        raise ValueError(f"{quoted(value)} is not a number in 1-{MAX_ROW_MAPPINGS}")
    return value


def _share(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:  # type: ignore[operator]
        raise ValueError(f"{quoted(value)} is not a share, 0 to 1, such as 0.2")
    return float(value)  # type: ignore[arg-type]


def _location(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{quoted(value)} is not a path or URL")
    return value


def _rows(value: object) -> tuple[AnyMapping[str, object], ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ValueError("is not an array of tables: write [[mapping]]")
    return tuple(value)


@frozen
class SourceSettings:
    """One table `[[source]]`: a list with its own options.

    Attributes:
        location: a URL, or a path relative to the directory of the settings file.
        format: format of this list; default `format` of all lists.
        trust: what the list may choose: `take` (to overwrite mappings of other hosts) and `addresses` (of
            other hosts). Default: everything for files on this host, nothing for URLs and plugins.
        max_mappings: a longer list is rejected.
        headers_file: a file with HTTP headers for each request, or `env:NAME` for an environment variable.
        ca_file: a file with certificates of authorities to trust for this list.
        keep_share: if the list drops below this share of its rows, the old rows stay for one interval.
    """

    location: str = attrs.field(metadata={READ: _location})
    format: str = ""
    trust: frozenset[Trust] | None = attrs.field(default=None, metadata={READ: read_trust})
    max_mappings: int = attrs.field(default=MAX_MAPPINGS, metadata={READ: _count})
    headers_file: str = ""
    ca_file: str = ""
    keep_share: float = attrs.field(default=KEEP_SHARE, metadata={READ: _share})

    @property
    def limits(self) -> Limits:
        """The limits for the reader."""
        return Limits(self.trust, self.max_mappings, self.keep_share)


@frozen
class BackendSettings:
    """The table `[backend]`.

    Attributes:
        order: backends to prefer, in this order; the others follow by rank.
        forbidden: backends that are never used.
    """

    order: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


@frozen
class LogSettings:
    """The table `[log]`.

    Attributes:
        level: `debug`, `info`, `warning` or `error`; default `info`, and `warning` for `--oneshot`.
        format: `text` or `json`.
        file: absolute path of the log file; default standard error, or the system log in the background.
    """

    level: LogLevel | None = None
    format: LogFormat = LogFormat.TEXT
    file: Path | None = None


@frozen
class ProbeSettings:
    """The table `[probe]`: checks from outside whether ports are reachable.

    Attributes:
        url: URL of a probe server; empty for no checks.
        token_file: a file with the token that the server demands.
        ca_file: a file with the certificate of the server, or of the authority that signed it.
        interval: time between two checks, 30 seconds or more.
    """

    url: str = attrs.field(default="", metadata={READ: _probe_url})
    token_file: str = ""
    ca_file: str = ""
    interval: float = attrs.field(default=900.0, metadata={READ: _probe_interval})


@frozen
class RuleSettings:
    """One table `[[policy]]`: a rule for the mappings of all sources. The first matching rule decides.

    Attributes:
        action: `allow` or `deny`.
        port: external port or range, such as `"1024-65535"`; default all.
        internal_port: port or range on the host that listens; default all.
        protocol: `tcp`, `udp` or `both`.
        address: address or network of the host that listens; default all.
        remote: network of the hosts that may connect, or `any` for mappings that every host may use.
    """

    action: Action
    port: range = attrs.field(default=EVERY_PORT, metadata={READ: _ports})
    internal_port: range = attrs.field(default=EVERY_PORT, metadata={READ: _ports})
    protocol: tuple[Protocol, ...] = attrs.field(default=PROTOCOLS["BOTH"], metadata={READ: _protocols})
    address: IPNetwork | None = attrs.field(default=None, metadata={READ: _network})
    remote: IPNetwork | str | None = attrs.field(default=None, metadata={READ: _remote})

    @property
    def rule(self) -> Rule:
        """The rule for the policy."""
        return Rule(self.action, self.port, self.internal_port, self.protocol, self.address, self.remote)


@frozen
class GuardSettings:
    """The table `[guard]`: which of several daemons may change gateways.

    Attributes:
        address: lead while this host carries this address, such as a virtual address of keepalived.
        lead_with: lead while the guard of a plugin allows it: `NAME:LOCATION`.
    """

    address: str = ""
    lead_with: str = ""


@frozen
class ClusterSettings:
    """The table `[cluster]`: what the daemons of a cluster share.

    Attributes:
        secret_file: a file with a secret of at least 16 bytes. With it, the next leader can take over what
            the last one opened over PCP. A relative path is relative to the settings file.
    """

    secret_file: str = ""


@frozen
class Settings:
    """The top level of the settings file.

    Attributes:
        sources: lists to keep open: URLs and paths, relative to the directory of the settings file.
        source: tables `[[source]]`, for lists with options of their own.
        format: format of the sources: `auto`, `csv`, `json`, `toml`, or a plugin's.
        csv_delimiter: separator of the columns of a CSV file.
        mapping: tables `[[mapping]]`, with the fields of a list.
        interval: time between two reads of the sources, and between two checks of the leases.
        conflict: `keep`, `next`, `overwrite` or `fail`; default for mappings that set none.
        family: `ipv4`, `ipv6` or `both`; default for mappings that set none.
        close_ports_on_exit: on exit, release what this run opened.
        preset: tables `[preset.NAME]`: names for ports of your own programs.
        gateway: use these gateways and search no others, as given to `--gateway`.
        backend: which protocols to use, and in which order.
        policy: rules that allow or deny mappings.
        state_dir: absolute path of the directory for leases, journal, pid file and socket.
        pid_file: absolute path of the pid file; default in the state directory.
        disable_plugins: names of plugins that are not loaded.
        log: level, format and file of the log.
        http: where the HTTP API and the web interface listen.
        guard: which of several daemons may change gateways.
        cluster: what the daemons of a cluster share.
        probe: which probe server checks from outside, and how often.
    """

    sources: tuple[str, ...] = ()
    source: tuple[SourceSettings, ...] = ()
    format: str = "auto"
    csv_delimiter: str = attrs.field(default=";", metadata={READ: _delimiter})
    mapping: tuple[AnyMapping[str, Any], ...] = attrs.field(default=(), metadata={READ: _rows})
    interval: float = attrs.field(default=60.0, metadata={READ: _seconds})
    conflict: ConflictPolicy = attrs.field(default=ConflictPolicy.OWN, metadata={READ: _conflict})
    family: tuple[Family, ...] = attrs.field(default=(Family.IPV4,), metadata={READ: _families})
    close_ports_on_exit: bool = False
    preset: AnyMapping[str, Preset] = attrs.field(factory=dict, metadata={READ: read_presets})
    gateway: tuple[str, ...] = ()
    backend: BackendSettings = attrs.field(factory=BackendSettings)
    policy: tuple[RuleSettings, ...] = ()
    state_dir: Path | None = None
    pid_file: Path | None = None
    disable_plugins: tuple[str, ...] = ()
    log: LogSettings = attrs.field(factory=LogSettings)
    http: HttpSettings = attrs.field(factory=HttpSettings)
    guard: GuardSettings = attrs.field(factory=GuardSettings)
    cluster: ClusterSettings = attrs.field(factory=ClusterSettings)
    probe: ProbeSettings = attrs.field(factory=ProbeSettings)
