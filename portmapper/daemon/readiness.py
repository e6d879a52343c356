"""Whether a daemon is ready, for `/readyz` and `portmapper health --ready`."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api.reading import Reading, SourceState


def not_ready(readings: Sequence[Reading] | None, has_gateway: bool) -> list[str]:
    """Return why a daemon is not ready; an empty list if it is.

    Args:
        readings: the last reading of each list; None while they are read for the first time.
        has_gateway: a gateway answers.
    """
    if readings is None:
        return ["the lists are being read"]
    failed = [reading for reading in readings if reading.state is SourceState.FAILED]
    reasons = [f"{reading.location} cannot be read: {reading.error}" for reading in failed]
    return reasons if has_gateway else [*reasons, "no gateway answers"]
