"""Services of a Docker Swarm, if the engine is one of its managers."""

from __future__ import annotations

from typing import Any

import aiodocker

from portmapper_docker.engine import name_and_labels


async def services(docker: aiodocker.Docker) -> list[tuple[str, dict[str, str]]]:
    """Return name and labels of each service; nothing for an engine that manages no swarm.

    The labels are those of the service itself: `docker service create --label`. Those of its containers are
    read with the containers. Raises one of `FAILURES` if the engine's answer is invalid.
    """
    if not await _is_manager(docker):
        return []
    return [name_and_labels(_like_container(service)) for service in await docker.services.list()]


async def _is_manager(docker: aiodocker.Docker) -> bool:
    try:
        info = await docker.system.info()
    except aiodocker.DockerError:
        return False  # a proxy of the socket may forbid it
    swarm = info.get("Swarm") if isinstance(info, dict) else None
    return isinstance(swarm, dict) and swarm.get("ControlAvailable") is True


def _like_container(service: Any) -> dict[str, Any]:
    specification = service["Spec"]
    return {"Id": service["ID"], "Names": [specification["Name"]], "Labels": specification.get("Labels")}
