"""The description of the HTTP API: routes, `/v1/openapi.json` and the docs are made from it."""

from __future__ import annotations

from typing import Any

import attrs

from portmapper.control.schemas import FLAG, NUMBER, PORTS, RECORDS, TEXT, Schema, array, document, reference
from portmapper.control.unix_socket import VERSION

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"

MAX_HISTORY = 10_000
DEFAULT_HISTORY = 1000


@attrs.frozen
class Parameter:
    """A parameter of a request.

    Attributes:
        name: its name.
        schema: its JSON schema.
        description: what it means.
        where: `query`, `path` or `header`.
    """

    name: str
    schema: Schema
    description: str
    where: str = "query"


@attrs.frozen
class Operation:
    """One request of the API.

    Attributes:
        name: the method of `Handlers` that answers it, and its `operationId`.
        method: `GET`, or `POST` for a change.
        path: such as `/v1/doctor/{id}`.
        summary: what it does, one sentence.
        answer: the schema of the answer.
        status: the status of the answer.
        content_types: the media types of the answer; the first is the default.
        body: the schema of the request's body; None for no body.
        body_required: a request without a body is invalid.
        parameters: those of the path, the query and the headers.
        problems: the statuses of problem documents besides those that every request may get.
        socket_only: not served over TCP.
        open: needs no login on any address.
    """

    name: str
    method: str
    path: str
    summary: str
    answer: Schema
    status: int = 200
    content_types: tuple[str, ...] = (JSON,)
    body: Schema | None = None
    body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    socket_only: bool = False
    open: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that a client may use: `HEAD` for what ends, which the stream of events does not."""
        return ("GET", "HEAD") if self.method == "GET" and self.name != "events" else (self.method,)


def _get(name: str, summary: str, answer: Schema, path: str = "", **more: Any) -> Operation:
    return Operation(name, "GET", path or f"/{VERSION}/{name}", summary, answer, **more)


def _post(name: str, summary: str, answer: Schema, **more: Any) -> Operation:
    return Operation(name, "POST", f"/{VERSION}/{name}", summary, answer, **more)


_DOCTOR_OPTIONS = document({}, {"probe": {**FLAG, "description": "Create test mappings; default true."}})
_METRICS: dict[str, Any] = {"content_types": ("text/plain",), "problems": (404,)}

OPERATIONS: tuple[Operation, ...] = (
    _get("status", "Return the status document.", reference("Status")),
    _get(
        "summary",
        "Return the most important values, without nesting, for dashboards.",
        reference("Summary"),
    ),
    _get(
        "mappings",
        "Return each mapping, with `reason` if it is not open.",
        array(reference("Mapping")),
    ),
    _get("gateways", "Return the gateways that answer.", array(reference("Gateway"))),
    _get("sources", "Return the lists with their rejected rows.", array(reference("Source"))),
    _get(
        "history",
        "Return the latest events of the journal, the oldest first.",
        array(reference("Event")),
        parameters=(
            Parameter(
                "limit",
                {**NUMBER, "minimum": 1, "maximum": MAX_HISTORY, "default": DEFAULT_HISTORY},
                "The number of events.",
            ),
            Parameter(
                "before",
                {**TEXT, "pattern": "^[0-9]{1,15}$"},
                "Only events before the one with this `id`; for the previous page, that of the first event.",
            ),
        ),
        problems=(400, 503),
    ),
    _get(
        "events",
        "Stream events as they happen: as lines of JSON, or as server-sent events if `Accept` asks for them.",
        TEXT,
        content_types=(NDJSON, SSE),
        parameters=(
            Parameter(
                "Last-Event-ID",
                TEXT,
                "First send the events after this `id`; only for server-sent events.",
                "header",
            ),
        ),
        problems=(503,),
    ),
    _get("version", "Return the versions of the program, the API and the plugin API.", reference("Version")),
    _get("openapi", "Return this description.", {"type": "object"}, f"/{VERSION}/openapi.json"),
    _post(
        "open",
        "Keep ports open until they are closed. Return their status once each is open or refused.",
        reference("Status"),
        body=RECORDS,
        problems=(400,),
    ),
    _post("close", "Close ports that `open` requested.", PORTS, body=RECORDS, problems=(400,)),
    _post("pause", "Close rows of lists until they are resumed.", PORTS, body=RECORDS, problems=(400,)),
    _post("resume", "Open paused rows again.", PORTS, body=RECORDS, problems=(400,)),
    _post(
        "reload",
        "Read the settings and the lists again. Return the lists once all have been read.",
        reference("Reloaded"),
        problems=(400,),
    ),
    _post("stop", "Stop the daemon.", reference("Stopping"), socket_only=True),
    _post(
        "doctor",
        "Start a diagnosis. Return its `id` at once.",
        reference("Doctor"),
        status=202,
        body=_DOCTOR_OPTIONS,
        body_required=False,
        problems=(400, 429, 503),
    ),
    _get(
        "doctor_job",
        "Return progress and findings of a diagnosis.",
        reference("Doctor"),
        f"/{VERSION}/doctor/{{id}}",
        parameters=(Parameter("id", TEXT, "The `id` that `POST /v1/doctor` returned.", "path"),),
        problems=(404,),
    ),
    _get("healthz", "Answer if the daemon's event loop runs.", reference("Health"), "/healthz", open=True),
    _get(
        "readyz",
        "Answer with status 200 if a gateway answers and the lists were read, else with 503 and the reason.",
        reference("Health"),
        "/readyz",
        open=True,
        problems=(503,),
    ),
    _get("metrics", "Return metrics for Prometheus.", TEXT, "/metrics", **_METRICS),
    _get("metrics_v1", "The same as `/metrics`.", TEXT, f"/{VERSION}/metrics", **_METRICS),
)
