"""Gateways on loopback, and the options of a client that uses them."""

from __future__ import annotations

from typing import Any

import pytest
from running_program import gateway, silence

__all__ = ["gateway", "silence"]


@pytest.fixture
def options(gateway: Any) -> dict[str, Any]:
    """Options that make a client use only the embedded gateway."""
    return {"gateway": [gateway.options[1]], "backend": ["pcp"]}
