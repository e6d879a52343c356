"""The command `kubernetes`: the controller."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from portmapper.api import DaemonCommand, DaemonParts, Guard, UsageError

if TYPE_CHECKING:
    from portmapper_kubernetes.controller import Controller
    from portmapper_kubernetes.options import Settings
    from portmapper_kubernetes.shared_secret import SharedSecret


SECRET_LIMIT = 5.0
"""Seconds to read the shared Secret without an election."""


class KubernetesCommand(DaemonCommand):
    """Keeps the ports of Services and PortMappings open."""

    name = "kubernetes"
    help = "keep the ports of Kubernetes Services and PortMappings open"
    examples = (
        "portmapper kubernetes --kubeconfig ~/.kube/config --leader-elect=false",
        "portmapper kubernetes --health-listen 0.0.0.0:8081 --log-format json",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the controller; portmapper adds those of `run`."""
        from portmapper_kubernetes.options import add_options

        add_options(parser)

    def parts(self, arguments: argparse.Namespace) -> DaemonParts:
        """Return the source, the observer and the guard of the controller.

        Raises:
            UsageError: an option or the kubeconfig is invalid.
        """
        from portmapper_kubernetes.controller import Controller
        from portmapper_kubernetes.observer import KubernetesObserver
        from portmapper_kubernetes.options import settings_of
        from portmapper_kubernetes.source import KubernetesSource

        settings = settings_of(arguments)
        controller = Controller(settings)
        secret, guard = _election(settings, controller, carries(arguments))
        has_own_key = bool(os.environ.get("PORTMAPPER_CLUSTER_SECRET_FILE"))
        return DaemonParts(
            sources=(KubernetesSource("kubernetes:", controller),),
            observers=(KubernetesObserver(controller, guard, secret),),
            guard=guard,
            tokens=None if has_own_key else secret,
        )


def carries(arguments: argparse.Namespace) -> Callable[[], bool]:
    """Return a function that tells whether this host can lead: it has the address of `--lead-with-address`.

    Raises:
        UsageError: the options contradict each other, or the address is invalid.
    """
    if arguments.leader_elect and getattr(arguments, "lead_with", None):
        raise UsageError("--lead-with is another election: set --leader-elect=false, or omit it")
    text = getattr(arguments, "lead_with_address", None)
    if not text or not arguments.leader_elect:
        return lambda: True
    from portmapper_kubernetes.controller import own_addresses
    from portmapper_kubernetes.limits import parse_address

    address = str(parse_address(text))
    return lambda: address in own_addresses()


def _election(
    settings: Settings, controller: Controller, may_lead: Callable[[], bool]
) -> tuple[SharedSecret | None, Guard | None]:
    """Return the Secret and the guard; both have connections that no other request delays."""
    from portmapper_kubernetes.controller import connect
    from portmapper_kubernetes.election import LeaseGuard
    from portmapper_kubernetes.never_leads import NeverLeads
    from portmapper_kubernetes.shared_secret import SharedSecret

    server = connect(settings)
    if settings.dry_run:
        return None, NeverLeads()
    secret = SharedSecret(server, settings.namespace)

    async def take_over(limit: float) -> None:
        await secret.load(limit)
        controller.take_over(secret.record)

    if settings.election is None:
        controller.before_first = partial(take_over, SECRET_LIMIT)
        return secret, None
    return secret, LeaseGuard(server, settings.election, take_over, may_lead=may_lead)
