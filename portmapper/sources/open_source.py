"""Opens sources: finds the kind of source that reads a location, and the reader for it."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api.errors import PortmapperError, SourceError, UsageError, quoted
from portmapper.api.source import FetchOptions, Format, FormatOptions, Source
from portmapper.pluginhost.faults import record_fault
from portmapper.sources.policy import Policy
from portmapper.sources.reader import AUTO, SourceReader
from portmapper.sources.trust import Limits
from portmapper.support.secrets import mask_urls


def open_source(
    location: str,
    kinds: Sequence[type[Source]],
    formats: Sequence[type[Format]],
    chosen: str = AUTO,
    options: FormatOptions | None = None,
    policy: Policy | None = None,
    limits: Limits | None = None,
    fetch_options: FetchOptions | None = None,
) -> SourceReader:
    """Return a reader for a location, without fetching it.

    Raises:
        UsageError: no source reads the location, or no format has the name `chosen`.
    """
    if chosen != AUTO and all(chosen != known.name for known in formats):
        names = ", ".join([AUTO, *(known.name for known in formats)])
        raise UsageError(f"no format named {quoted(chosen)}; known: {names}")
    kind = _claimant(location, kinds)
    if kind is None:
        known = ", ".join(kind.name for kind in kinds)
        raise UsageError(f"no source reads {quoted(mask_urls(location))}; known: {known}")
    source = _create(kind, location)
    source.fetch_options = fetch_options or FetchOptions()
    return SourceReader(source, formats, chosen, options or FormatOptions(), policy, limits)


def is_path(location: str, kinds: Sequence[type[Source]]) -> bool:
    """Return whether the source that reads the location takes it as a path."""
    kind = _claimant(location, kinds)
    return kind is not None and kind.is_path


def _claimant(location: str, kinds: Sequence[type[Source]]) -> type[Source] | None:
    return next((kind for kind in kinds if _claims(kind, location)), None)


def _claims(kind: type[Source], location: str) -> bool:
    try:
        return kind.claims(location)
    except Exception as error:
        record_fault(f"source:{kind.name}", error)
        return False


def _create(kind: type[Source], location: str) -> Source:
    try:
        return kind(location)
    except PortmapperError:
        raise
    except Exception as error:
        raise SourceError(f"{mask_urls(location)}: {record_fault(f'source:{kind.name}', error)}") from error
