"""Everything a plugin may import: `from portmapper.api import Backend, Lease, hookimpl`.

What comes in: nothing; this package depends only on `support`.
What goes out: the values (mappings, leases, events), the error vocabulary, and the interfaces and hooks that
plugins implement. The core decides by these types and never by a protocol's numbers.
"""

from __future__ import annotations

from portmapper.support.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.api.arrivals import HearsArrivals as HearsArrivals
    from portmapper.api.backend import Backend as Backend
    from portmapper.api.backend import ChecksTable as ChecksTable
    from portmapper.api.backend import Diagnoses as Diagnoses
    from portmapper.api.backend import EndsSearch as EndsSearch
    from portmapper.api.backend import Gateway as Gateway
    from portmapper.api.backend import GatewayEvent as GatewayEvent
    from portmapper.api.backend import ListsMappings as ListsMappings
    from portmapper.api.backend import MapsOtherHosts as MapsOtherHosts
    from portmapper.api.backend import PartialTable as PartialTable
    from portmapper.api.backend import RestrictsRemoteHosts as RestrictsRemoteHosts
    from portmapper.api.backend import Target as Target
    from portmapper.api.backend import VerifiesLeases as VerifiesLeases
    from portmapper.api.backend import WatchesGateway as WatchesGateway
    from portmapper.api.command import Command as Command
    from portmapper.api.config import READ as READ
    from portmapper.api.config import structure as structure
    from portmapper.api.connection import Connection as Connection
    from portmapper.api.connection import DescribesConnection as DescribesConnection
    from portmapper.api.daemon_command import DaemonCommand as DaemonCommand
    from portmapper.api.daemon_command import DaemonParts as DaemonParts
    from portmapper.api.errors import UNREACHABLE as UNREACHABLE
    from portmapper.api.errors import AnotherNat as AnotherNat
    from portmapper.api.errors import BackendError as BackendError
    from portmapper.api.errors import Conflict as Conflict
    from portmapper.api.errors import GatewayRestarted as GatewayRestarted
    from portmapper.api.errors import GatewayTimeout as GatewayTimeout
    from portmapper.api.errors import LeadershipLost as LeadershipLost
    from portmapper.api.errors import NetworkFailure as NetworkFailure
    from portmapper.api.errors import NoResources as NoResources
    from portmapper.api.errors import NotAuthorized as NotAuthorized
    from portmapper.api.errors import NotLeading as NotLeading
    from portmapper.api.errors import OnlyPermanentLeases as OnlyPermanentLeases
    from portmapper.api.errors import PluginFault as PluginFault
    from portmapper.api.errors import PortmapperError as PortmapperError
    from portmapper.api.errors import RowError as RowError
    from portmapper.api.errors import SettingError as SettingError
    from portmapper.api.errors import SourceError as SourceError
    from portmapper.api.errors import Unsupported as Unsupported
    from portmapper.api.errors import UsageError as UsageError
    from portmapper.api.errors import quoted as quoted
    from portmapper.api.events import Event as Event
    from portmapper.api.events import EventKind as EventKind
    from portmapper.api.events import Observer as Observer
    from portmapper.api.external import ExternalKind as ExternalKind
    from portmapper.api.external import external_kind as external_kind
    from portmapper.api.field_names import FIELD_NAMES as FIELD_NAMES
    from portmapper.api.field_names import meant_field as meant_field
    from portmapper.api.findings import CODES as CODES
    from portmapper.api.findings import Finding as Finding
    from portmapper.api.findings import Severity as Severity
    from portmapper.api.guard import Guard as Guard
    from portmapper.api.hookspecs import PLUGIN_API as PLUGIN_API
    from portmapper.api.hookspecs import hookimpl as hookimpl
    from portmapper.api.late_reading import ReadsLate as ReadsLate
    from portmapper.api.learning import MAX_LEARNED as MAX_LEARNED
    from portmapper.api.learning import Learned as Learned
    from portmapper.api.learning import LearnsBehavior as LearnsBehavior
    from portmapper.api.metrics import Metrics as Metrics
    from portmapper.api.metrics import MetricsPage as MetricsPage
    from portmapper.api.model import ALL_GATEWAYS as ALL_GATEWAYS
    from portmapper.api.model import ANY_PORT as ANY_PORT
    from portmapper.api.model import DEFAULT_DURATION as DEFAULT_DURATION
    from portmapper.api.model import MAX_DURATION as MAX_DURATION
    from portmapper.api.model import PROTOCOLS as PROTOCOLS
    from portmapper.api.model import ConflictPolicy as ConflictPolicy
    from portmapper.api.model import Family as Family
    from portmapper.api.model import IPAddress as IPAddress
    from portmapper.api.model import IPNetwork as IPNetwork
    from portmapper.api.model import Lease as Lease
    from portmapper.api.model import Mapping as Mapping
    from portmapper.api.model import MappingKey as MappingKey
    from portmapper.api.model import MappingState as MappingState
    from portmapper.api.model import MapRequest as MapRequest
    from portmapper.api.model import Protocol as Protocol
    from portmapper.api.model import TableEntry as TableEntry
    from portmapper.api.model import Trait as Trait
    from portmapper.api.model import remote_text as remote_text
    from portmapper.api.quirks import Action as Action
    from portmapper.api.quirks import Applies as Applies
    from portmapper.api.quirks import Device as Device
    from portmapper.api.quirks import HeldLease as HeldLease
    from portmapper.api.quirks import Quirk as Quirk
    from portmapper.api.quirks import Reassertion as Reassertion
    from portmapper.api.quirks import RepairAction as RepairAction
    from portmapper.api.quirks import RepairStep as RepairStep
    from portmapper.api.reading import Reading as Reading
    from portmapper.api.reading import Rejected as Rejected
    from portmapper.api.reading import SourceState as SourceState
    from portmapper.api.reads_status import ReadsStatus as ReadsStatus
    from portmapper.api.runs_hooks import RunsHooks as RunsHooks
    from portmapper.api.schedule import canonical_schedule as canonical_schedule
    from portmapper.api.shows_metrics import ShowsMetrics as ShowsMetrics
    from portmapper.api.source import MAX_DOCUMENT as MAX_DOCUMENT
    from portmapper.api.source import Document as Document
    from portmapper.api.source import FetchOptions as FetchOptions
    from portmapper.api.source import Format as Format
    from portmapper.api.source import FormatOptions as FormatOptions
    from portmapper.api.source import Row as Row
    from portmapper.api.source import Source as Source
    from portmapper.api.suggestions import nearest as nearest
    from portmapper.api.tokens import DerivedTokens as DerivedTokens
    from portmapper.api.tokens import TokenSource as TokenSource
    from portmapper.api.until_syntax import parse_until as parse_until
    from portmapper.api.web import WebHandler as WebHandler
    from portmapper.api.web import WebLink as WebLink
    from portmapper.api.web import WebPages as WebPages
    from portmapper.api.web import WebPanel as WebPanel
    from portmapper.api.web import WebRequest as WebRequest
    from portmapper.api.web import WebResponse as WebResponse
    from portmapper.api.web import WebRoute as WebRoute
    from portmapper.api.web import WebView as WebView

__getattr__ = lazy_exports(
    __name__,
    {
        "arrivals": ("HearsArrivals",),
        "backend": (
            "Backend",
            "ChecksTable",
            "Diagnoses",
            "Gateway",
            "GatewayEvent",
            "EndsSearch",
            "ListsMappings",
            "MapsOtherHosts",
            "PartialTable",
            "RestrictsRemoteHosts",
            "Target",
            "VerifiesLeases",
            "WatchesGateway",
        ),
        "command": ("Command",),
        "config": (
            "READ",
            "structure",
        ),
        "connection": (
            "Connection",
            "DescribesConnection",
        ),
        "daemon_command": (
            "DaemonCommand",
            "DaemonParts",
        ),
        "learning": (
            "MAX_LEARNED",
            "Learned",
            "LearnsBehavior",
        ),
        "late_reading": ("ReadsLate",),
        "errors": (
            "AnotherNat",
            "BackendError",
            "Conflict",
            "GatewayRestarted",
            "GatewayTimeout",
            "LeadershipLost",
            "NetworkFailure",
            "NoResources",
            "NotAuthorized",
            "NotLeading",
            "OnlyPermanentLeases",
            "PluginFault",
            "PortmapperError",
            "RowError",
            "UNREACHABLE",
            "SettingError",
            "SourceError",
            "Unsupported",
            "UsageError",
            "quoted",
        ),
        "events": (
            "Event",
            "EventKind",
            "Observer",
        ),
        "field_names": (
            "FIELD_NAMES",
            "meant_field",
        ),
        "findings": (
            "CODES",
            "Finding",
            "Severity",
        ),
        "guard": ("Guard",),
        "hookspecs": (
            "PLUGIN_API",
            "hookimpl",
        ),
        "external": (
            "ExternalKind",
            "external_kind",
        ),
        "metrics": (
            "Metrics",
            "MetricsPage",
        ),
        "model": (
            "ALL_GATEWAYS",
            "ANY_PORT",
            "ConflictPolicy",
            "DEFAULT_DURATION",
            "Family",
            "IPAddress",
            "IPNetwork",
            "Lease",
            "MAX_DURATION",
            "MapRequest",
            "Mapping",
            "MappingKey",
            "MappingState",
            "PROTOCOLS",
            "Protocol",
            "TableEntry",
            "Trait",
            "remote_text",
        ),
        "quirks": (
            "Action",
            "Applies",
            "Device",
            "HeldLease",
            "Quirk",
            "Reassertion",
            "RepairAction",
            "RepairStep",
        ),
        "reading": (
            "Reading",
            "Rejected",
            "SourceState",
        ),
        "reads_status": ("ReadsStatus",),
        "runs_hooks": ("RunsHooks",),
        "schedule": ("canonical_schedule",),
        "shows_metrics": ("ShowsMetrics",),
        "source": (
            "Document",
            "FetchOptions",
            "Format",
            "FormatOptions",
            "MAX_DOCUMENT",
            "Row",
            "Source",
        ),
        "suggestions": ("nearest",),
        "tokens": (
            "DerivedTokens",
            "TokenSource",
        ),
        "until_syntax": ("parse_until",),
        "web": (
            "WebHandler",
            "WebLink",
            "WebPages",
            "WebPanel",
            "WebRequest",
            "WebResponse",
            "WebRoute",
            "WebView",
        ),
    },
)
