"""Section M of the conformance list: opening a port, and what gateways refuse."""

from __future__ import annotations

import ipaddress

import attrs
import pytest

from portmapper.api.errors import (
    BackendError,
    Conflict,
    NoResources,
    NotAuthorized,
    Unsupported,
)

OTHER = "192.168.7.7"


async def test_the_comment_is_sent_as_short_ascii(router, connected, request_for):
    """Any comment reaches the router as printable ASCII, and markup stays text."""
    gateway = await connected()
    await gateway.map(request_for(comment="wéb\x1b<b>&" + "x" * 200))
    sent = router.named("AddPortMapping")[0]["NewPortMappingDescription"]
    assert sent.startswith("w?b?&lt;b&gt;&amp;x")
    await gateway.map(request_for(comment=""))
    assert router.named("AddPortMapping")[1]["NewPortMappingDescription"] == "portmapper"


@pytest.mark.parametrize("recreate", [True, False])
async def test_a_mapping_is_closed_first_only_if_it_has_to_be_recreated(
    router, connected, request_for, recreate
):
    """A renewal leaves the entry as it is."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    assert await gateway.map(request_for(held=lease, urgent=True, recreate=recreate)) == lease
    expected = [{"NewRemoteHost": "", "NewExternalPort": "80", "NewProtocol": "TCP"}]
    assert router.named("DeletePortMapping") == (expected if recreate else [])
    assert len(router.named("AddPortMapping")) == 2


@pytest.mark.parametrize("code", [725, 402, 501])
async def test_m1_finite_lease_refused_is_retried_as_permanent(router, connected, request_for, code):
    """725, or 402 or 501 for a finite lease, leads to lifetime 0, which is remembered."""
    router.faults["AddPortMapping"] = lambda arguments: code if arguments["NewLeaseDuration"] != "0" else None
    gateway = await connected()
    lease = await gateway.map(request_for())
    assert (lease.lifetime, lease.permanent) == (0, True)
    await gateway.map(request_for(internal_port=81, external_port=81))
    assert [call["NewLeaseDuration"] for call in router.named("AddPortMapping")] == ["3600", "0", "0"]


async def test_m2_lifetime_zero_refused_is_retried_with_the_longest(router, connected, request_for):
    """402 for lifetime 0 leads to a week."""
    router.faults["AddPortMapping"] = lambda arguments: 402 if arguments["NewLeaseDuration"] == "0" else None
    lease = await (await connected()).map(request_for(lifetime=0))
    assert (lease.lifetime, lease.permanent) == (604800, False)


async def test_m3_another_hosts_entry_is_a_conflict_and_stays(router, connected, request_for):
    """The conflict names the holder; nothing is added or deleted."""
    router.entry(80, OTHER)
    with pytest.raises(Conflict) as caught:
        await (await connected()).map(request_for(exact=True))
    assert str(caught.value.holder.internal_address) == OTHER
    assert router.table["TCP", 80]["NewInternalClient"] == OTHER
    assert not router.named("DeletePortMapping")


async def test_m3_a_gateway_that_would_overwrite_silently_is_queried_first(router, connected, request_for):
    """No AddPortMapping is sent for a port that belongs to another host."""
    router.entry(80, OTHER)
    with pytest.raises(Conflict):
        await (await connected()).map(request_for(exact=True))
    assert not router.named("AddPortMapping")


async def test_m3_718_for_our_own_entry_replaces_it(router, connected, request_for):
    """If a gateway cannot renew in place, our own entry is deleted and added."""
    router.entry(80, "127.0.0.1")
    router.faults["AddPortMapping"] = lambda _arguments: 718 if ("TCP", 80) in router.table else None
    lease = await (await connected()).map(request_for())
    assert lease.external_port == 80
    assert len(router.named("DeletePortMapping")) == 1


async def test_take_replaces_another_hosts_entry(router, connected, request_for):
    """With `replace`, a refused port is deleted and added."""
    router.entry(80, OTHER)
    await (await connected()).map(request_for(exact=True, replace=True))
    assert router.table["TCP", 80]["NewInternalClient"] == "127.0.0.1"


async def test_a_conflict_that_need_not_be_exact_moves_to_another_port(router, connected, request_for):
    """The next free port is granted, and the lease names it."""
    router.entry(80, OTHER)
    lease = await (await connected()).map(request_for())
    assert lease.external_port == 81


@pytest.mark.parametrize("code", [718, 729, 501])
async def test_m4_a_conflict_everywhere_ends_after_bounded_tries(router, connected, request_for, code):
    """Only a few of all ports are tried."""
    router.faults["AddPortMapping"] = code
    with pytest.raises(Conflict) as caught:
        await (await connected()).map(request_for())
    assert caught.value.code == code
    assert len(router.named("AddPortMapping")) <= 12


async def test_m5_same_ports_required(router, connected, request_for):
    """The external port becomes the internal one, unless the request is exact."""
    router.faults["AddPortMapping"] = lambda arguments: (
        724 if arguments["NewExternalPort"] != arguments["NewInternalPort"] else None
    )
    gateway = await connected()
    assert (await gateway.map(request_for(external_port=8080))).external_port == 80
    with pytest.raises(Unsupported):
        await gateway.map(request_for(external_port=8080, exact=True))


async def test_m6_the_remote_host_is_always_empty(router, connected, request_for):
    """A gateway that accepts only a wildcard (726) never sees anything else."""
    gateway = await connected()
    await gateway.unmap(await gateway.map(request_for()))
    assert {arguments.get("NewRemoteHost", "") for _, arguments in router.calls} == {""}


@pytest.mark.parametrize(("code", "error"), [(727, Unsupported), (728, NoResources), (606, NotAuthorized)])
async def test_m7_a_refusal_is_typed_and_not_repeated(router, connected, request_for, code, error):
    """The error contains the gateway's words, and there is no retry."""
    router.faults["AddPortMapping"] = code
    with pytest.raises(error, match="the words of the router"):
        await (await connected()).map(request_for())
    assert len(router.named("AddPortMapping")) == 1


async def test_m8_without_add_any_the_plain_action_is_used(router, connected, request_for, build):
    """401 for AddAnyPortMapping leads to AddPortMapping, and it is not called again."""
    router.description = build.description(build.service("WANIPConnection:2"), version=2)
    gateway = await connected()
    await gateway.map(request_for())
    await gateway.map(request_for(internal_port=81, external_port=81))
    assert len(router.named("AddAnyPortMapping")) == 1
    assert gateway.protocol == "IGD 2"


async def test_m9_the_reserved_port_is_reported(router, connected, request_for, build):
    """The lease has the port that the gateway assigned, with the maximum of a v2 lease."""
    router.description = build.description(build.service("WANIPConnection:2"), version=2)
    router.entry(40000, "127.0.0.1", NewLeaseDuration="604800")
    router.replies["AddAnyPortMapping"] = build.http(
        build.ENVELOPE.format(
            "<AddAnyPortMappingResponse><NewReservedPort>40000</NewReservedPort></AddAnyPortMappingResponse>"
        )
    )
    lease = await (await connected()).map(request_for(lifetime=0))
    assert (lease.external_port, lease.lifetime, lease.permanent) == (40000, 604800, False)


async def test_any_port_on_v1_tries_the_internal_port(router, connected, request_for):
    """Without a desired port, the internal one is tried first."""
    assert (await (await connected()).map(request_for(external_port=0))).external_port == 80


async def test_m12_secure_mode_gives_advice(router, connected, request_for):
    """606, or 718 without a holder, for another host's address is a refusal with advice."""
    gateway = await connected()
    elsewhere = ipaddress.ip_address(OTHER)
    for code in (606, 718):
        router.faults["AddPortMapping"] = code
        with pytest.raises(NotAuthorized, match=f"only from {OTHER} itself"):
            await gateway.map(request_for(internal_address=elsewhere))


@pytest.mark.parametrize("code", [501, 606, 725, 728])
async def test_m13_a_failed_renewal_deletes_nothing(router, connected, request_for, code):
    """The lease stays on the gateway until it expires, and the error does not blame another host."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    router.faults["AddPortMapping"] = code
    with pytest.raises(BackendError) as raised:
        await gateway.map(request_for(held=lease, exact=True))
    assert not isinstance(raised.value, Conflict)
    assert ("TCP", 80) in router.table
    assert router.named("DeletePortMapping") == []


async def test_m16_our_entry_at_a_former_address_is_replaced(router, connected, request_for):
    """The entry of the held lease is ours even after our address changed."""
    gateway = await connected()
    router.entry(80, OTHER)
    former = attrs.evolve(
        await gateway.map(request_for(internal_port=81, external_port=81)),
        internal_address=ipaddress.ip_address(OTHER),
        internal_port=80,
        external_port=80,
    )
    await gateway.map(request_for(held=former, exact=True))
    assert router.table["TCP", 80]["NewInternalClient"] == "127.0.0.1"
