"""The JSON schemas of the API's documents, for `/v1/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["integer", "null"]}
DATE: Schema = {"type": "string", "format": "date-time"}
DATE_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}


def reference(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def document(fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object. It may have further keys: later versions add some."""
    return {"type": "object", "properties": {**fields, **(optional or {})}, "required": list(fields)}


_MAPPING: dict[str, Schema] = {
    "protocol": {"enum": ["TCP", "UDP"], "description": "One entry for each protocol."},
    "family": {"enum": ["ipv4", "ipv6"]},
    "internal_address": {**TEXT_OR_NULL, "description": "The host to map to."},
    "internal_port": {**NUMBER, "description": "The port on that host."},
    "wanted_external_port": {**NUMBER, "description": "The requested external port; 0 is any."},
    "external_address": {**TEXT_OR_NULL, "description": "The open port's address; null while none is open."},
    "external_port": {**NUMBER_OR_NULL, "description": "The open port."},
    "state": {
        **TEXT,
        "description": "`active` if the port is open; `paused` or `waiting` if it should not be open now.",
    },
    "opens_at": {**DATE_OR_NULL, "description": "When a row that is held back opens by itself."},
    "closes_at": {**DATE_OR_NULL, "description": "When the mapping closes by itself."},
    "error": {**TEXT_OR_NULL, "description": "The last error, if the mapping is not open."},
    "backend": TEXT_OR_NULL,
    "gateway": {**TEXT_OR_NULL, "description": "The gateway that holds the mapping, or that it is for."},
    "lifetime": {**NUMBER_OR_NULL, "description": "The granted lifetime in seconds."},
    "expires_at": DATE_OR_NULL,
    "renews_at": DATE_OR_NULL,
    "retries_at": {**DATE_OR_NULL, "description": "When portmapper tries again to open the mapping."},
    "permanent": FLAG,
    "comment": TEXT,
    "source": {**TEXT, "description": "The list that the mapping is from."},
    "origin": {**TEXT, "description": "The object that the list made it for, such as `namespace/name`."},
    "passed_over": {
        **array(document({"backend": TEXT, "reason": TEXT})),
        "description": "The backends that were tried before, and why they do not hold the mapping.",
    },
}

_PORT: Schema = {
    "oneOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": "^([0-9]{1,5}(-[0-9]{1,5})?|any)$"},
    ]
}
_TIME: Schema = {
    "oneOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**31},
        {"type": "string", "pattern": "^([0-9]{1,7}[smhdw]?)+$"},
    ]
}

_RECORD: Schema = {
    "type": "object",
    "properties": {
        "port": {**_PORT, "description": "The external port, a range such as `2722-2723`, or `any`."},
        "protocol": {"enum": ["tcp", "udp", "both", "TCP", "UDP", "BOTH"]},
        "address": {**TEXT, "description": "The host to map to; default this host."},
        "internal_port": {**_PORT, "description": "Default: `port`."},
        "lifetime": {**_TIME, "description": "Seconds, or a time such as `1h`."},
        "comment": TEXT,
        "family": {"enum": ["ipv4", "ipv6", "both"]},
        "conflict": {"enum": ["keep", "next", "overwrite", "fail"]},
        "backend": TEXT,
        "gateway": TEXT,
        "remote": {**TEXT, "description": "The only network that may connect."},
        "external_port": {**_PORT, "description": "Another name of `port`."},
        "duration": {**_TIME, "description": "Another name of `lifetime`."},
        "enabled": FLAG,
        "preset": TEXT,
        "when": {
            "enum": ["listening", "always"],
            "description": "`listening`: while a program listens.",
        },
        "until": {**TEXT, "description": "When the port closes by itself."},
        "schedule": {**TEXT, "description": "Local times, such as `Sat,Sun 18:00-23:59`."},
        "same_port": {**FLAG, "description": "TCP and UDP need the same external port."},
    },
    "anyOf": [{"required": ["port"]}, {"required": ["external_port"]}, {"required": ["preset"]}],
    "additionalProperties": False,
}

COMPONENTS: dict[str, Schema] = {
    "Problem": document({"type": TEXT, "title": TEXT, "status": NUMBER, "detail": TEXT}),
    "Mapping": document(
        {**_MAPPING, "reason": {**TEXT_OR_NULL, "description": "Why it is not open, or not as desired."}}
    ),
    "StatusMapping": document(_MAPPING),
    "Gateway": document(
        {
            "backend": TEXT,
            "protocol": {**TEXT, "description": "Such as `PCP 2`."},
            "address": TEXT,
            "model": {**TEXT, "description": "The device's own name; empty if it gives none."},
            "page": {**TEXT, "description": "The URL of the device's own web page; empty if it gives none."},
            "external_address": TEXT_OR_NULL,
            "external_kind": {"enum": ["public", "private", "cgnat", "none"]},
            "detail": {**TEXT, "description": "What the kind means, if it is a problem."},
            "answers": {**FLAG, "description": "It answered the last requests."},
        }
    ),
    "Source": document(
        {
            "location": TEXT,
            "format": TEXT,
            "state": {"enum": ["ok", "stale", "failed"]},
            "mappings": {**NUMBER, "description": "The number of its mappings."},
            "rejected": array(
                document(
                    {"where": TEXT, "reason": TEXT},
                    {"line": {**NUMBER, "description": "The line in the list, if `where` does not name it."}},
                )
            ),
            "error": TEXT_OR_NULL,
        }
    ),
    "Event": document(
        {
            "id": {**NUMBER, "description": "Rises with each event."},
            "at": DATE,
            "event": TEXT,
            "protocol": TEXT_OR_NULL,
            "external_port": NUMBER_OR_NULL,
            "internal_address": TEXT_OR_NULL,
            "internal_port": NUMBER_OR_NULL,
            "backend": TEXT,
            "gateway": TEXT,
            "detail": TEXT,
        }
    ),
    "Finding": document(
        {
            "code": TEXT,
            "severity": TEXT,
            "summary": TEXT,
            "advice": TEXT,
            "port": {**TEXT, "description": "Such as `8080/tcp`, if the finding is about one port."},
        }
    ),
    "Summary": document(
        {
            "open": {**NUMBER, "description": "The number of open mappings."},
            "wanted": {**NUMBER, "description": "The number of mappings that should be open now."},
            "rejected": {**NUMBER, "description": "The number of rows that were rejected."},
            "external_address": TEXT_OR_NULL,
            "external_kind": {"enum": ["public", "private", "cgnat", "none"]},
            "reachable": {
                **FLAG,
                "description": "A gateway answers and has a public external address.",
            },
            "problems": {**NUMBER, "description": "The number of problems of the daemon."},
        }
    ),
    "Version": document({"version": TEXT, "api": TEXT, "plugin_api": TEXT}),
    "Health": document({"status": TEXT}),
    "Reloaded": document({"reloading": FLAG, "sources": array(reference("Source"))}),
    "Stopping": document({"stopping": FLAG}),
    "PortResult": document(
        {"protocol": TEXT, "port": NUMBER, "result": TEXT, "detail": TEXT},
        {"records": {**array({"type": "object"}), "description": "What `close` closed, for `open`."}},
    ),
    "Record": _RECORD,
    "Doctor": document(
        {
            "id": TEXT,
            "state": {"enum": ["running", "done", "failed"]},
            "started_at": DATE,
            "ended_at": DATE_OR_NULL,
            "step": {**TEXT, "description": "What is being checked, or the result in one line."},
            "findings": array(reference("Finding")),
            "error": {**TEXT_OR_NULL, "description": "Why the diagnosis failed."},
        }
    ),
}

COMPONENTS["Status"] = document(
    {
        "version": TEXT,
        "pid": NUMBER_OR_NULL,
        "started_at": DATE_OR_NULL,
        "web_address": {**TEXT_OR_NULL, "description": "The URL of the web page; null without a listener."},
        "gateways": array(reference("Gateway")),
        "mappings": array(reference("StatusMapping")),
        "sources": array(reference("Source")),
        "problems": array({"type": "object"}),
        "role": {"enum": ["alone", "leader", "standby"]},
        "leader": {**TEXT_OR_NULL, "description": "Name of the leader, if there is an election."},
        "faults": array(document({"plugin": TEXT, "error": TEXT, "count": NUMBER})),
        "error": TEXT_OR_NULL,
    }
)

RECORDS: Schema = document({"mappings": {**array(reference("Record")), "maxItems": 1000}})
PORTS: Schema = document({"ports": array(reference("PortResult"))})
"""The answer to `close`, `pause` and `resume`: the result for each port."""
