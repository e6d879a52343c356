"""What this plugin registers. Nothing is imported before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Quirk


@hookimpl
def portmapper_register_quirks() -> list[type[Quirk]]:
    """Register the quirk of miniupnpd on nftables."""
    from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

    return [MiniupnpdNft]
