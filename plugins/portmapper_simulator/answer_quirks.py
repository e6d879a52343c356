"""Quirks of the answers to calls: faults, lost and slow answers, and codes that mean something else."""

from __future__ import annotations

import re

import attrs

from portmapper_simulator.upnp_points import DELETED, MISSING, RESPONSE, Response

SLOW = 1.0
"""Seconds that a slow AddPortMapping takes; tests shorten the client's limit instead."""

SILENT = 3600.0


@RESPONSE.quirk("H3", "sends faults with HTTP status 200")
def _fault_in_200(response: Response) -> Response:
    return attrs.evolve(response, status=200 if response.status == 500 else response.status)


@RESPONSE.quirk("M21", "takes its time for AddPortMapping")
def _slow_add(response: Response) -> Response:
    return attrs.evolve(response, delay=SLOW) if b"AddPortMappingResponse" in response.body else response


@RESPONSE.quirk("M26", "does not answer queries, only requests that change something")
def _silent_queries(response: Response) -> Response:
    is_query = re.search(rb"<u:Get\w+Response", response.body) is not None
    return attrs.evolve(response, delay=SILENT) if is_query else response


@RESPONSE.quirk("M28", "carries out AddPortMapping and DeletePortMapping, and answers with a bare 500")
def _bare_error(response: Response) -> Response:
    changed = b"<u:AddPortMappingResponse", b"<u:DeletePortMappingResponse"
    if not any(answer in response.body for answer in changed):
        return response
    return attrs.evolve(response, status=500, body=b"<html><body>Internal Error</body></html>")


DELETED.quirk("M10", "deletes a mapping, but answers 714")(lambda _: 714)
MISSING.quirk("delete-missing", "answers the deletion of a missing mapping with success")(lambda _: 0)
