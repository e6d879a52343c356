"""What every backend must do, as tests."""

from __future__ import annotations

import asyncio
import ipaddress

import attrs
import pytest

from portmapper.api.backend import ListsMappings, VerifiesLeases
from portmapper.api.errors import BackendError
from portmapper.api.model import Family, Lease, Protocol
from portmapper.gateways.calls import CALL_LIMIT
from portmapper.testing.backend_calls import (
    all_found,
    check_lease,
    closing,
    first,
    found,
    granted,
    released,
    used,
    wish,
)
from portmapper.testing.calls import LONG, cancelled, check_name, leaving_nothing, outcome, switch
from portmapper.testing.subjects import BackendSubject


class BackendContract:
    """Tests of a backend. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> BackendSubject:
        """Return the backend, and the gateway that it is tried on."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_says_what_it_is(self, subject: BackendSubject) -> None:
        """Name, rank and families are such that the core can choose by them."""
        check_name(subject.backend.name)
        assert isinstance(subject.backend.rank, int)
        assert subject.backend.families
        assert subject.backend.families <= frozenset(Family)

    @pytest.mark.asyncio
    async def test_it_finds_the_gateway(self, subject: BackendSubject) -> None:
        """The gateway says who reached it, over what, and where it is."""
        async with found(subject) as gateway:
            assert gateway.backend == subject.backend.name
            assert gateway.protocol
            assert isinstance(gateway.address, ipaddress.IPv4Address | ipaddress.IPv6Address)
            assert gateway.local_address.version == gateway.address.version
            assert gateway.concurrency >= 1

    @pytest.mark.asyncio
    async def test_it_is_found_again_under_the_same_identity(self, subject: BackendSubject) -> None:
        """The lease store knows a gateway by it."""
        async with found(subject) as gateway:
            again = await first(subject)
            await again.close()
            assert again.identity == gateway.identity

    @pytest.mark.asyncio
    async def test_a_mapping_is_opened(self, subject: BackendSubject) -> None:
        """The port is open on the gateway, and the lease is for the very mapping asked for."""
        async with found(subject) as gateway:
            request = wish(subject, gateway)
            lease = await granted(gateway, request)
            check_lease(lease, request, gateway)
            assert (request.protocol, lease.external_port) in subject.open_ports()

    @pytest.mark.asyncio
    async def test_a_lease_is_renewed_in_place(self, subject: BackendSubject) -> None:
        """The same external port, one entry, and no other lease."""
        async with found(subject) as gateway:
            request = wish(subject, gateway)
            lease = await granted(gateway, request)
            before = set(subject.open_ports())
            renewed = await granted(gateway, attrs.evolve(request, held=lease))
            check_lease(renewed, request, gateway)
            assert renewed.external_port == lease.external_port
            assert set(subject.open_ports()) == before

    @pytest.mark.asyncio
    async def test_mapping_twice_opens_one_entry(self, subject: BackendSubject) -> None:
        """An answer may have been lost, so that the same is asked again."""
        async with found(subject) as gateway:
            request = wish(subject, gateway)
            first, second = await granted(gateway, request), await granted(gateway, request)
            assert first.external_port == second.external_port
            assert len(list(subject.open_ports())) == 1

    @pytest.mark.asyncio
    async def test_a_lease_is_released(self, subject: BackendSubject) -> None:
        """The port is closed; what else is open stays."""
        async with found(subject) as gateway:
            kept = await granted(gateway, wish(subject, gateway, 0))
            lease = await granted(gateway, wish(subject, gateway, 1))
            await released(gateway, lease)
            assert set(subject.open_ports()) == {(kept.protocol, kept.external_port)}

    @pytest.mark.asyncio
    async def test_releasing_what_is_gone_is_no_error(self, subject: BackendSubject) -> None:
        """A lease that ran out, or that was closed before."""
        async with found(subject) as gateway:
            lease = await granted(gateway, wish(subject, gateway))
            await released(gateway, lease)
            await released(gateway, lease)
            assert not list(subject.open_ports())

    @pytest.mark.asyncio
    async def test_tcp_and_udp_of_one_port_are_two_mappings(self, subject: BackendSubject) -> None:
        """Each is closed by itself."""
        async with found(subject) as gateway:
            tcp = await granted(gateway, wish(subject, gateway))
            udp = await granted(gateway, attrs.evolve(wish(subject, gateway), protocol=Protocol.UDP))
            await released(gateway, tcp)
            assert set(subject.open_ports()) == {(Protocol.UDP, udp.external_port)}

    @pytest.mark.asyncio
    async def test_calls_at_once_are_all_answered(self, subject: BackendSubject) -> None:
        """As many as the gateway bears by its own word, and each gets its own answer."""
        async with found(subject) as gateway:
            width = asyncio.Semaphore(gateway.concurrency)

            async def opened(number: int) -> Lease:
                async with width:
                    request = wish(subject, gateway, number)
                    lease = await granted(gateway, request)
                    check_lease(lease, request, gateway)
                    return lease

            leases = await asyncio.gather(*(opened(number) for number in range(8)))
            ports = {(lease.protocol, lease.external_port) for lease in leases}
            assert len(ports) == 8
            assert set(subject.open_ports()) == ports

    @pytest.mark.asyncio
    async def test_it_tells_the_external_address(self, subject: BackendSubject) -> None:
        """An address, or None where there is no telling; never a text."""
        async with found(subject) as gateway:
            address = await outcome(gateway.external_address(), BackendError, CALL_LIMIT)
            assert address is None or isinstance(
                address, ipaddress.IPv4Address | ipaddress.IPv6Address | BackendError
            )

    @pytest.mark.asyncio
    async def test_what_it_lists_is_what_is_open(self, subject: BackendSubject) -> None:
        """For a gateway with the ability `ListsMappings`."""
        async with found(subject) as gateway:
            if not isinstance(gateway, ListsMappings):
                pytest.skip("it lists no mappings")
            lease = await granted(gateway, wish(subject, gateway))
            entries = await gateway.list_mappings()
            assert (lease.protocol, lease.external_port) in {(e.protocol, e.external_port) for e in entries}

    @pytest.mark.asyncio
    async def test_it_knows_whether_a_lease_stands(self, subject: BackendSubject) -> None:
        """For a gateway with the ability `VerifiesLeases`."""
        async with found(subject) as gateway:
            if not isinstance(gateway, VerifiesLeases):
                pytest.skip("it verifies no leases")
            lease = await granted(gateway, wish(subject, gateway))
            assert await gateway.holds(lease) is True
            await released(gateway, lease)
            assert await gateway.holds(lease) is False

    @pytest.mark.asyncio
    async def test_a_silent_gateway_ends_with_a_typed_error(self, subject: BackendSubject) -> None:
        """Within the backend's own bound, before the core cuts it off."""
        async with found(subject) as gateway:
            lease = await granted(gateway, wish(subject, gateway))
            await switch(subject.silence)
            answers = await asyncio.gather(
                outcome(gateway.map(wish(subject, gateway, 1)), BackendError, CALL_LIMIT),
                outcome(gateway.unmap(lease), BackendError, CALL_LIMIT),
                outcome(gateway.external_address(), BackendError, CALL_LIMIT),
            )
            assert isinstance(answers[0], BackendError), "map succeeded without an answer"
            assert isinstance(answers[1], BackendError), "unmap succeeded without an answer"

    @pytest.mark.asyncio
    async def test_a_search_among_silence_finds_nothing(self, subject: BackendSubject) -> None:
        """Silence is no error; the search ends, or is ended by whoever asked."""
        await switch(subject.silence)
        async with closing(subject):
            search = asyncio.ensure_future(all_found(subject))
            await asyncio.wait([search], timeout=CALL_LIMIT)
            assert search.done(), f"the search did not end within {CALL_LIMIT:g} s"
            assert not search.result()

    @pytest.mark.asyncio
    async def test_a_search_can_be_cancelled(self, subject: BackendSubject) -> None:
        """In the middle of it, without a socket or a task left."""
        await used(subject)
        await switch(subject.silence)
        async with leaving_nothing(), closing(subject):
            await cancelled(all_found(subject))

    @pytest.mark.asyncio
    async def test_a_call_can_be_cancelled(self, subject: BackendSubject) -> None:
        """In the middle of it: it ends at once, and leaves no socket and no task."""
        async with found(subject) as gateway:
            lease = await granted(gateway, wish(subject, gateway))
            await switch(subject.silence)
            await cancelled(gateway.map(wish(subject, gateway, 1)))
            await cancelled(gateway.unmap(lease))

    @pytest.mark.asyncio
    async def test_garbage_ends_with_a_typed_error(self, subject: BackendSubject) -> None:
        """Whatever bytes come back, nothing is taken for granted and no bug shows."""
        async with found(subject) as gateway:
            lease = await granted(gateway, wish(subject, gateway))
            await switch(subject.garble)
            answers = await asyncio.gather(
                outcome(gateway.map(wish(subject, gateway, 1)), BackendError, CALL_LIMIT),
                outcome(gateway.external_address(), BackendError, CALL_LIMIT),
                outcome(gateway.unmap(lease), BackendError, CALL_LIMIT),
            )
            assert isinstance(answers[0], BackendError), f"garbage was taken for {answers[0]}"

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: BackendSubject) -> None:
        """No descriptor and no task, once gateway and backend are closed, however often it is done."""
        await used(subject)  # libraries open things for good when they are first used
        async with leaving_nothing():
            for _ in range(3):
                await used(subject)

    @pytest.mark.asyncio
    async def test_closing_twice_is_no_error(self, subject: BackendSubject) -> None:
        """Whoever is in doubt closes."""
        async with found(subject) as gateway:
            await asyncio.wait_for(gateway.close(), LONG)
            await asyncio.wait_for(gateway.close(), LONG)
        await asyncio.wait_for(subject.backend.close(), LONG)
