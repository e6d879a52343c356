"""Controllers that change nothing, or close nothing."""

from __future__ import annotations

import signal
import time

from .kubelab import VIRTUAL, KubeLab, condition, leads, port_mapping, service, wait_until

QUIET_SECONDS = 2.0


def test_a_dry_run_changes_nothing(kube: KubeLab) -> None:
    """Neither on the gateway nor on the API server."""
    kube.api.apply(port_mapping("game", port=17777))
    before = kube.api.writes()
    with kube.controller("a", "--dry-run") as running:
        wait_until(lambda: "on standby" in running.log, "started")
        time.sleep(QUIET_SECONDS)
        assert running.end() == 0
    assert kube.open_ports() == set()
    # The API server itself renews a Lease, and creates the Service `kubernetes` again.
    written = {line for line in kube.api.writes() - before if line != "PUT leases"}
    assert not {
        line for line in written if line.split()[1] in ("portmappings", "secrets", "events", "leases")
    }
    assert not kube.api.get("leases", "-n", "portmapper")["items"]


def test_upsert_only_closes_nothing(kube: KubeLab) -> None:
    """Neither when objects are deleted or changed, nor when another replica leads; `sync` closes the rest."""
    kube.api.apply(
        service("web", {"http": 8080, "admin": 9090}, ports="http:18080"),
        port_mapping("game", port=17777, address=VIRTUAL),
        port_mapping("later", port=17778, address=VIRTUAL),
    )
    kube.api.set_ingress("web")
    with kube.controller("a", "--policy", "upsert-only") as first:
        wait_until(lambda: kube.open_ports() == {18080, 17777, 17778}, "open")
        kube.api.kubectl("annotate", "service", "web", "--overwrite", "portmapper.dev/ports=admin:19090")
        kube.api.kubectl("delete", "portmapping", "game", "--timeout=15s")
        wait_until(lambda: kube.open_ports() == {18080, 17777, 17778, 19090}, "only added")
        wait_until(lambda: condition(kube.api.get("portmapping", "later"), "Open")[0] == "True", "reported")
        wait_until(kube.has_record, "recorded")
        first.end(signal.SIGKILL)
    kube.api.kubectl("delete", "portmapping", "later", "--timeout=15s")
    kube.api.kubectl("delete", "service", "web")
    words = ("--health-listen", "0.0.0.0:8081")
    with kube.controller("a", "--policy", "upsert-only", *words) as second:
        wait_until(lambda: leads(second), "leading")
        wait_until(lambda: kube.metric("a", 'mappings{state="active"}') == 4, "kept")
        assert kube.open_ports() == {18080, 17777, 17778, 19090}
        assert second.end() == 0
    with kube.controller("a"):
        wait_until(lambda: kube.open_ports() == set(), "closed")
