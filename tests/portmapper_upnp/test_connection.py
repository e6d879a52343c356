"""The description and the calls of a WAN connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portmapper_upnp.connection import read_entry
from portmapper_upnp.soap_call import read_address, read_number


@given(st.dictionaries(st.sampled_from(["NewExternalPort", "NewProtocol", "NewInternalClient"]), st.text()))
def test_any_entry_is_one_or_none(answer):
    """Numbers and addresses of any spelling."""
    read_entry(answer)
    for text in answer.values():
        assert 0 <= read_number(text, 65535) <= 65535
        read_address(text)
