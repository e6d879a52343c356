"""The OpenAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from portmapper.control.handlers import Handlers
from portmapper.control.openapi import openapi_document
from portmapper.control.operations import OPERATIONS
from portmapper.control.schemas import COMPONENTS

DOCUMENT = openapi_document(OPERATIONS)


def test_every_operation_has_a_handler_and_is_described() -> None:
    """With a unique name."""
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    for operation in OPERATIONS:
        assert hasattr(Handlers, operation.name) or operation.name == "events"
        described: Any = DOCUMENT["paths"][operation.path][operation.method.lower()]
        assert described["operationId"] == operation.name
        assert str(operation.status) in described["responses"]


def test_every_reference_exists_and_every_component_is_used() -> None:
    """In the whole document."""
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert used == set(COMPONENTS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_parameters_of_the_path_are_described(operation: Any) -> None:
    """And no others."""
    in_path = {item.name for item in operation.parameters if item.where == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", operation.path))


def test_a_change_needs_a_token_and_a_read_may_go_without() -> None:
    """On loopback."""
    for item in DOCUMENT["paths"].values():
        if "post" in item:
            assert item["post"]["security"] == [{"token": []}]
        if "get" in item:
            assert "security" not in item["get"]
    assert DOCUMENT["security"] == [{}, {"token": []}]
