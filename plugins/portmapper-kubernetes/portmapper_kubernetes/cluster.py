"""What the objects of one moment are checked against: the operator's limits and the nodes' addresses."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from portmapper.api import IPAddress
from portmapper_kubernetes.limits import Limits
from portmapper_kubernetes.objects import Service

DEFAULT_PREFIX = "portmapper.dev"


@attrs.frozen
class Selection:
    """Which objects this controller serves.

    Attributes:
        prefix: prefix of the annotations.
        name: objects with this class; empty for those without a class.
        load_balancer_class: Services of this class get all their ports opened; empty for none.
    """

    prefix: str = DEFAULT_PREFIX
    name: str = ""
    load_balancer_class: str = ""


@attrs.frozen
class Cluster:
    """The state of the cluster at one moment.

    Attributes:
        services: all Services, by `namespace/name`.
        carried: the addresses of the nodes and of this host.
        limits: what the operator allows.
        selection: which objects are served.
    """

    services: Mapping[str, Service]
    carried: frozenset[IPAddress]
    limits: Limits = attrs.field(factory=Limits)
    selection: Selection = attrs.field(factory=Selection)

    def check_address(self, address: IPAddress) -> None:
        """Raise `DeniedByPolicy` if this host may not be mapped to."""
        self.limits.check_address(address, self.carried.__contains__)
