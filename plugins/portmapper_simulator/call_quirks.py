"""Quirks of calls: what a gateway accepts as a call, and the actions it does not support."""

from __future__ import annotations

import re

from portmapper_simulator.actions import WAN_COMMON, actions_of
from portmapper_simulator.errors import Fault
from portmapper_simulator.quirk_points import refuse_with
from portmapper_simulator.upnp_points import CALL, Call


@CALL.quirk("H7", "requires SOAPAction in this case and quoted, ordered arguments, and no blank before <?xml")
def _picky(call: Call) -> Call:
    kind = WAN_COMMON if call.service is None else call.service.kind
    action = actions_of(kind).get(call.action)
    in_order = action is None or list(call.arguments) == list(action.inputs)
    named = ("SOAPAction", f'"{kind}#{call.action}"') in call.headers
    if not (in_order and named and call.body.startswith(b"<?xml")):
        raise Fault(402)
    return call


CALL.quirk("H10", "accepts no whitespace between the elements of a request")(
    refuse_with(402, lambda call: re.search(rb">\s+<", call.body) is not None)
)
CALL.quirk("S4", "answers GetStatusInfo with a fault")(
    refuse_with(501, lambda call: call.action == "GetStatusInfo")
)
CALL.quirk("M6", "726 unless the remote host is empty")(
    refuse_with(726, lambda call: call.arguments.get("NewRemoteHost", "") != "")
)
CALL.quirk("M8", "does not support AddAnyPortMapping (401)")(
    refuse_with(401, lambda call: call.action == "AddAnyPortMapping")
)
CALL.quirk("M8-606", "606 for AddAnyPortMapping, and accepts AddPortMapping")(
    refuse_with(606, lambda call: call.action == "AddAnyPortMapping")
)
