"""The table `[plugin.docker]`."""

from __future__ import annotations

import attrs

from portmapper.api import READ, nearest, quoted

EXPOSE = ("labels", "published")


def _expose(value: object) -> str:
    if not isinstance(value, str) or value not in EXPOSE:
        hint = nearest(value, EXPOSE) if isinstance(value, str) else ""
        raise ValueError(f"{quoted(value)} is not one of {', '.join(EXPOSE)}{hint}")
    return value


@attrs.frozen
class DockerTable:
    """The keys of `[plugin.docker]`.

    Attributes:
        expose: `labels` for the ports that labels name; `published` also for the published ports of each
            container without such labels.
    """

    expose: str = attrs.field(default="labels", metadata={READ: _expose})
