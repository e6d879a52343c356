"""The contract of backends: tests that every backend must pass."""

from __future__ import annotations

import asyncio
import ipaddress

import attrs
import pytest

from portmapper.api.backend import ListsMappings, VerifiesLeases
from portmapper.api.errors import BackendError
from portmapper.api.model import Family, Lease, Protocol
from portmapper.gateways.bounded import CALL_LIMIT
from portmapper.testing.backend_calls import (
    all_found,
    check_lease,
    closing,
    first,
    found,
    granted,
    released,
    request_for,
    use,
)
from portmapper.testing.calls import LONG, cancelled, check_name, leaving_nothing, outcome, switch
from portmapper.testing.subjects import BackendSubject


class BackendContract:
    """Tests of a backend. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> BackendSubject:
        """Return the backend and the gateway to test it with."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_name_rank_and_families_are_valid(self, subject: BackendSubject) -> None:
        """The core selects backends by them."""
        check_name(subject.backend.name)
        assert isinstance(subject.backend.rank, int)
        assert subject.backend.families
        assert subject.backend.families <= frozenset(Family)

    @pytest.mark.asyncio
    async def test_it_finds_the_gateway(self, subject: BackendSubject) -> None:
        """The gateway has its backend, protocol and address."""
        async with found(subject) as gateway:
            assert gateway.backend == subject.backend.name
            assert gateway.protocol
            assert isinstance(gateway.address, ipaddress.IPv4Address | ipaddress.IPv6Address)
            assert gateway.local_address.version == gateway.address.version
            assert gateway.concurrency >= 1

    @pytest.mark.asyncio
    async def test_the_identity_is_stable(self, subject: BackendSubject) -> None:
        """A second search finds the same identity: the lease store identifies gateways by it."""
        async with found(subject) as gateway:
            again = await first(subject)
            await again.close()
            assert again.identity == gateway.identity

    @pytest.mark.asyncio
    async def test_a_mapping_is_opened(self, subject: BackendSubject) -> None:
        """The port is open on the gateway, and the lease is for the requested mapping."""
        async with found(subject) as gateway:
            request = request_for(subject, gateway)
            lease = await granted(gateway, request)
            check_lease(lease, request, gateway)
            assert (request.protocol, lease.external_port) in subject.open_ports()

    @pytest.mark.asyncio
    async def test_a_lease_is_renewed_in_place(self, subject: BackendSubject) -> None:
        """A renewal keeps the external port and adds no second entry."""
        async with found(subject) as gateway:
            request = request_for(subject, gateway)
            lease = await granted(gateway, request)
            before = set(subject.open_ports())
            renewed = await granted(gateway, attrs.evolve(request, held=lease))
            check_lease(renewed, request, gateway)
            assert renewed.external_port == lease.external_port
            assert set(subject.open_ports()) == before

    @pytest.mark.asyncio
    async def test_mapping_twice_opens_one_entry(self, subject: BackendSubject) -> None:
        """The core repeats a request if its answer is lost."""
        async with found(subject) as gateway:
            request = request_for(subject, gateway)
            first, second = await granted(gateway, request), await granted(gateway, request)
            assert first.external_port == second.external_port
            assert len(list(subject.open_ports())) == 1

    @pytest.mark.asyncio
    async def test_a_lease_is_released(self, subject: BackendSubject) -> None:
        """Its port is closed, and other ports stay open."""
        async with found(subject) as gateway:
            kept = await granted(gateway, request_for(subject, gateway, 0))
            lease = await granted(gateway, request_for(subject, gateway, 1))
            await released(gateway, lease)
            assert set(subject.open_ports()) == {(kept.protocol, kept.external_port)}

    @pytest.mark.asyncio
    async def test_releasing_a_closed_lease_is_no_error(self, subject: BackendSubject) -> None:
        """The lease may have expired, or the port may already be closed."""
        async with found(subject) as gateway:
            lease = await granted(gateway, request_for(subject, gateway))
            await released(gateway, lease)
            await released(gateway, lease)
            assert not list(subject.open_ports())

    @pytest.mark.asyncio
    async def test_tcp_and_udp_of_one_port_are_two_mappings(self, subject: BackendSubject) -> None:
        """They are closed independently."""
        async with found(subject) as gateway:
            tcp = await granted(gateway, request_for(subject, gateway))
            udp = await granted(gateway, attrs.evolve(request_for(subject, gateway), protocol=Protocol.UDP))
            await released(gateway, tcp)
            assert set(subject.open_ports()) == {(Protocol.UDP, udp.external_port)}

    @pytest.mark.asyncio
    async def test_concurrent_calls_are_all_answered(self, subject: BackendSubject) -> None:
        """With as many parallel calls as the gateway's `concurrency`, each call gets its own answer."""
        async with found(subject) as gateway:
            limit = asyncio.Semaphore(gateway.concurrency)

            async def opened(number: int) -> Lease:
                async with limit:
                    request = request_for(subject, gateway, number)
                    lease = await granted(gateway, request)
                    check_lease(lease, request, gateway)
                    return lease

            leases = await asyncio.gather(*(opened(number) for number in range(8)))
            ports = {(lease.protocol, lease.external_port) for lease in leases}
            assert len(ports) == 8
            assert set(subject.open_ports()) == ports

    @pytest.mark.asyncio
    async def test_it_returns_the_external_address(self, subject: BackendSubject) -> None:
        """The result is an address, or None if the protocol cannot query it, but never a string."""
        async with found(subject) as gateway:
            address = await outcome(gateway.external_address(), BackendError, CALL_LIMIT)
            assert address is None or isinstance(
                address, ipaddress.IPv4Address | ipaddress.IPv6Address | BackendError
            )

    @pytest.mark.asyncio
    async def test_it_lists_the_open_ports(self, subject: BackendSubject) -> None:
        """For gateways with the ability `ListsMappings`."""
        async with found(subject) as gateway:
            if not isinstance(gateway, ListsMappings):
                pytest.skip("the gateway cannot list mappings")
            lease = await granted(gateway, request_for(subject, gateway))
            entries = await gateway.list_mappings()
            assert (lease.protocol, lease.external_port) in {(e.protocol, e.external_port) for e in entries}

    @pytest.mark.asyncio
    async def test_it_verifies_leases(self, subject: BackendSubject) -> None:
        """For gateways with the ability `VerifiesLeases`."""
        async with found(subject) as gateway:
            if not isinstance(gateway, VerifiesLeases):
                pytest.skip("the gateway cannot verify leases")
            lease = await granted(gateway, request_for(subject, gateway))
            assert await gateway.holds(lease) is True
            await released(gateway, lease)
            assert await gateway.holds(lease) is False

    @pytest.mark.asyncio
    async def test_a_silent_gateway_raises_a_backend_error(self, subject: BackendSubject) -> None:
        """The backend's own time limit ends the call before the core's limit does."""
        async with found(subject) as gateway:
            lease = await granted(gateway, request_for(subject, gateway))
            await switch(subject.silence)
            answers = await asyncio.gather(
                outcome(gateway.map(request_for(subject, gateway, 1)), BackendError, CALL_LIMIT),
                outcome(gateway.unmap(lease), BackendError, CALL_LIMIT),
                outcome(gateway.external_address(), BackendError, CALL_LIMIT),
            )
            assert isinstance(answers[0], BackendError), "map succeeded without an answer"
            assert isinstance(answers[1], BackendError), "unmap succeeded without an answer"

    @pytest.mark.asyncio
    async def test_a_search_without_answers_finds_nothing(self, subject: BackendSubject) -> None:
        """Silence is not an error: the search ends by itself or can be canceled."""
        await switch(subject.silence)
        async with closing(subject):
            search = asyncio.ensure_future(all_found(subject))
            await asyncio.wait([search], timeout=CALL_LIMIT)
            assert search.done(), f"the search did not end within {CALL_LIMIT:g} s"
            assert not search.result()

    @pytest.mark.asyncio
    async def test_a_search_can_be_cancelled(self, subject: BackendSubject) -> None:
        """No socket and no task is left."""
        await use(subject)
        await switch(subject.silence)
        async with leaving_nothing(), closing(subject):
            await cancelled(all_found(subject))

    @pytest.mark.asyncio
    async def test_a_call_can_be_cancelled(self, subject: BackendSubject) -> None:
        """It ends at once and leaves no socket and no task."""
        async with found(subject) as gateway:
            lease = await granted(gateway, request_for(subject, gateway))
            await switch(subject.silence)
            await cancelled(gateway.map(request_for(subject, gateway, 1)))
            await cancelled(gateway.unmap(lease))

    @pytest.mark.asyncio
    async def test_garbage_raises_a_backend_error(self, subject: BackendSubject) -> None:
        """An invalid answer is never taken for a lease and raises no other exception."""
        async with found(subject) as gateway:
            lease = await granted(gateway, request_for(subject, gateway))
            await switch(subject.garble)
            answers = await asyncio.gather(
                outcome(gateway.map(request_for(subject, gateway, 1)), BackendError, CALL_LIMIT),
                outcome(gateway.external_address(), BackendError, CALL_LIMIT),
                outcome(gateway.unmap(lease), BackendError, CALL_LIMIT),
            )
            assert isinstance(answers[0], BackendError), f"garbage was taken for {answers[0]}"

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: BackendSubject) -> None:
        """After closing, no file descriptor and no task is left, even after several rounds."""
        await use(subject)  # on first use, libraries may open files that stay open
        async with leaving_nothing():
            for _ in range(3):
                await use(subject)

    @pytest.mark.asyncio
    async def test_closing_twice_is_no_error(self, subject: BackendSubject) -> None:
        """A caller need not know whether it has closed the gateway before."""
        async with found(subject) as gateway:
            await asyncio.wait_for(gateway.close(), LONG)
            await asyncio.wait_for(gateway.close(), LONG)
        await asyncio.wait_for(subject.backend.close(), LONG)
