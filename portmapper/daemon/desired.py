"""All desired mappings of a daemon: those that sources list and those that were requested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from portmapper.api.model import Mapping, MappingKey
from portmapper.api.reading import Reading


def desired_mappings(
    readings: Iterable[Reading], requested: Iterable[Mapping], refusal: Callable[[Mapping], str]
) -> Iterator[Mapping]:
    """Yield the mappings that the policy allows; the first of duplicates wins.

    `refusal` is checked again here: the policy may have changed since a mapping was requested or read.
    """
    desired: dict[MappingKey, Mapping] = {}
    for reading in readings:
        for mapping in reading.mappings:
            desired.setdefault(mapping.key, mapping)
    for mapping in requested:
        desired.setdefault(mapping.key, mapping)
    return (mapping for mapping in desired.values() if not refusal(mapping))
