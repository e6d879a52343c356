"""Options of the command `kubernetes`, with the names of client-go where it has them."""

from __future__ import annotations

import argparse
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from portmapper.api import IPNetwork, UsageError, quoted
from portmapper_kubernetes.cluster import DEFAULT_PREFIX, Selection
from portmapper_kubernetes.election import ElectionOptions
from portmapper_kubernetes.limits import UNPRIVILEGED, Limits

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?", re.ASCII)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

POLICIES = ("sync", "upsert-only")


@attrs.frozen
class Settings:
    """Settings of the controller.

    Attributes:
        kubeconfig: the configuration file; None for the pod's service account, `KUBECONFIG` or the default
            file.
        limits: what the operator allows.
        selection: which objects are served.
        election: options of the election; None if this is the only replica.
        identity: name of this replica.
        namespace: namespace of the Lease and of the shared Secret.
        health: address and port for health checks and metrics; None for none.
        dry_run: change nothing, neither on gateways nor on the API server.
        keeps: close no port of an object that is deleted or asks for it no more.
    """

    kubeconfig: Path | None = None
    limits: Limits = attrs.field(factory=Limits)
    selection: Selection = attrs.field(factory=Selection)
    election: ElectionOptions | None = None
    identity: str = ""
    namespace: str = "portmapper"
    health: tuple[str, int] | None = None
    dry_run: bool = False
    keeps: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("Kubernetes")
    group.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="default: the pod's service account, else KUBECONFIG"
    )
    group.add_argument(
        "--namespace",
        type=_name,
        action="append",
        metavar="NAME",
        help="serve this namespace only; may be repeated (default: all)",
    )
    group.add_argument(
        "--identity", metavar="NAME", help="name of this replica (default: host name and a number)"
    )
    group.add_argument(
        "--health-listen",
        type=_listen,
        metavar="ADDRESS:PORT",
        help="serve /healthz, /readyz and /metrics there, without authentication",
    )
    _add_limits(group)
    _add_choice_of_objects(group)
    _add_kinds_of_change(group)
    _add_election(parser)


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--allow-ports",
        type=_ports,
        action="append",
        metavar="RANGE",
        help="external ports that objects may open; may be repeated (default 1024-65535)",
    )
    group.add_argument(
        "--allow-address",
        type=_network,
        action="append",
        metavar="NETWORK",
        help="hosts that objects may map to although no node has their address; may be repeated",
    )
    group.add_argument(
        "--allow-overwrite", action="store_true", help="objects may overwrite mappings of other hosts"
    )


def _add_choice_of_objects(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--annotation-prefix",
        type=_prefix,
        default=DEFAULT_PREFIX,
        metavar="PREFIX",
        help=f"default {DEFAULT_PREFIX}",
    )
    group.add_argument(
        "--class",
        dest="object_class",
        default="",
        metavar="NAME",
        help="serve Services with this class annotation",
    )
    group.add_argument(
        "--load-balancer-class",
        default="",
        metavar="NAME",
        help="open all ports of Services with this loadBalancerClass, and report the external address",
    )


def _add_kinds_of_change(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--policy",
        choices=POLICIES,
        default=POLICIES[0],
        help="upsert-only: open and renew ports, but never close one (default sync)",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="change nothing; 'portmapper status' shows what would be opened",
    )


def _add_election(parser: argparse.ArgumentParser) -> None:
    defaults = ElectionOptions("")
    group = parser.add_argument_group("leader election")
    group.add_argument(
        "--leader-elect",
        type=_switch,
        nargs="?",
        const=True,
        default=True,
        metavar="true|false",
        help="only one of several replicas changes gateways (default true)",
    )
    for name, default, text in (
        ("lease-duration", "3s", "how long other replicas wait after the last renewal that they saw"),
        ("renew-deadline", "2s", "the leader steps down this long after its last renewal"),
        ("retry-period", "500ms", "time between two renewals, and between two attempts"),
    ):
        group.add_argument(
            f"--leader-elect-{name}",
            type=parse_duration,
            default=parse_duration(default),
            metavar="TIME",
            help=f"{text} (default {default})",
        )
    for name, text in (("name", defaults.name), ("namespace", defaults.namespace)):
        group.add_argument(
            f"--leader-elect-resource-{name}",
            type=_name,
            default=text,
            metavar="NAME",
            help=f"{name} of the Lease (default {text})",
        )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings.

    Raises:
        UsageError: the times of the election contradict each other.
    """
    identity = arguments.identity or _default_identity()
    namespace = arguments.leader_elect_resource_namespace
    return Settings(
        kubeconfig=arguments.kubeconfig,
        limits=Limits(
            namespaces=tuple(arguments.namespace or ()),
            ports=tuple(arguments.allow_ports or UNPRIVILEGED),
            take=arguments.allow_overwrite,
            addresses=tuple(arguments.allow_address or ()),
        ),
        selection=Selection(
            arguments.annotation_prefix, arguments.object_class, arguments.load_balancer_class
        ),
        election=_election(arguments, identity) if arguments.leader_elect else None,
        identity=identity,
        namespace=namespace,
        health=arguments.health_listen,
        dry_run=arguments.dry_run,
        keeps=arguments.policy != POLICIES[0],
    )


def _election(arguments: argparse.Namespace, identity: str) -> ElectionOptions:
    duration, deadline = arguments.leader_elect_lease_duration, arguments.leader_elect_renew_deadline
    if not arguments.leader_elect_retry_period < deadline < duration:
        raise UsageError(
            "the times of the election must be: --leader-elect-retry-period < --leader-elect-renew-deadline "
            "< --leader-elect-lease-duration"
        )
    return ElectionOptions(
        identity=identity,
        lease_duration=duration,
        renew_deadline=deadline,
        retry_period=arguments.leader_elect_retry_period,
        name=arguments.leader_elect_resource_name,
        namespace=arguments.leader_elect_resource_namespace,
    )


def _default_identity() -> str:
    import secrets
    import socket

    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


def parse_duration(text: str) -> float:
    """Parse a duration as Go writes it: `500ms`, `3s`, `1m30s`."""
    if not _DURATION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 500ms, 3s or 1m30s")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if not 0.05 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of 50ms to 1h")
    return seconds


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a Kubernetes object")
    return text


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a prefix such as {DEFAULT_PREFIX}")
    return text


def _ports(text: str) -> range:
    first, _, last = text.partition("-")
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in (first, last or first)]
    if not 1 <= numbers[0] <= numbers[1] <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a port nor a range such as 1024-65535")
    return range(numbers[0], numbers[1] + 1)


def _network(text: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither an address nor a network") from None


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]") or "0.0.0.0")
    except ValueError:
        address = None
    if (
        not colon
        or address is None
        or not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535)
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT, such as 0.0.0.0:8081")
    return str(address), int(port)


def location_settings(location: str) -> Settings:
    """Return the settings of a source location: `kubernetes:` or `kubernetes:NAMESPACE`.

    Raises:
        UsageError: the location is invalid.
    """
    names: Sequence[str] = [name for name in location.removeprefix("kubernetes:").split(",") if name]
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{quoted(location)}: write kubernetes: or kubernetes:NAMESPACE")
    return Settings(limits=Limits(namespaces=tuple(names)))
