"""What the daemons of one cluster share: who may act, and which tokens they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.store.ownership import ChooseToken, no_token
from portmapper.support.values import frozen

if TYPE_CHECKING:
    from portmapper.api.guard import Guard


@frozen
class Cluster:
    """This daemon's part in a cluster; by default it is alone.

    Attributes:
        guard: decides whether this daemon may act; None if it always may.
        choose_token: chooses the token of a new mapping; None makes it random.
    """

    guard: Guard | None = None
    choose_token: ChooseToken = no_token


ALONE = Cluster()
"""A daemon without a cluster."""
