"""The OpenAPI 3.1 document of the HTTP API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from portmapper import __version__
from portmapper.control.operations import Operation, Parameter
from portmapper.control.problems import PROBLEM_JSON
from portmapper.control.schemas import COMPONENTS, reference
from portmapper.control.unix_socket import VERSION

ALWAYS = (401, 403, 405, 408, 413, 421, 429, 500, 503)
"""Statuses of problem documents that any request may get, depending on the listener and the visitor."""


def openapi_document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the description of these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "portmapper",
            "version": __version__,
            "summary": "Keeps ports open on the NAT gateway in front of you.",
            "description": f"Version {VERSION[1:]}. Errors are problem documents (RFC 9457).",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token that `portmapper web token` printed.",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": _responses(operation),
    }
    if operation.method != "GET":
        described["security"] = [{"token": []}]
    if operation.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": operation.body}},
        }
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    content = {kind: {"schema": operation.answer} for kind in operation.content_types}
    described: dict[str, Any] = {
        str(operation.status): {"description": operation.summary, "content": content}
    }
    for status in sorted({*operation.problems, *ALWAYS}):
        described[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": reference("Problem")}},
        }
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": re.sub(r"\s+", " ", parameter.description),
        "schema": parameter.schema,
    }
