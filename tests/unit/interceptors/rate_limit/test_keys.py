from types import SimpleNamespace

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from support.calls import new_call

from gateway.core.identity import Identity
from gateway.core.peer import PeerAddress
from gateway.interceptors.rate_limit import Part, Source, key_of

METHOD, CALLER, PEER = Part(Source.METHOD), Part(Source.CALLER), Part(Source.PEER)
TENANT, REGION = Part(Source.METADATA, "x-tenant"), Part(Source.METADATA, "x-region")


def key(parts, *, identity=None, metadata=(), message=None):
    call = new_call(FakeClock(), peer="ipv4:1.2.3.4:5", metadata=metadata)
    call.identity = identity
    call.message = message
    return key_of(parts, PeerAddress())(call)


def test_without_parts_all_calls_have_one_key():
    assert key([]) == key([], identity=Identity("ann", "keys")) == ""


def test_each_source_is_read():
    message = SimpleNamespace(card=SimpleNamespace(brand="visa"), raw=b"\xff", count=7)
    assert key([METHOD]) == "shop.v1.OrderService/GetOrder"
    assert key([PEER]) == "1.2.3.4"
    assert key([CALLER], identity=Identity("ann", "keys")) == "keys:ann"
    assert key([TENANT], metadata=[("other", "x"), ("x-tenant", "acme")]) == "acme"
    assert key([Part(Source.METADATA, "x-bin")], metadata=[("x-bin", b"\x01")]) == "01"
    assert key([Part(Source.FIELD, "card.brand")], message=message) == "visa"
    assert key([Part(Source.FIELD, "raw")], message=message) == "ff"
    assert key([Part(Source.FIELD, "count")], message=message) == "7"


def test_a_caller_without_a_credential_is_counted_by_its_address():
    assert key([CALLER]) == "@1.2.3.4"
    assert key([CALLER], identity=Identity("1.2.3.4", "")) != key([CALLER])


@pytest.mark.parametrize("metadata", [(), [("x-tenant", "")], [("x-tenants", "acme")]])
def test_what_leaves_a_metadata_key_out_is_counted_together(metadata):
    assert key([TENANT], metadata=metadata) == ""


def test_several_values_are_one_joined_as_they_are_sent_on():
    several = [("x-tenant", "acme"), ("x-other", "x"), ("x-tenant", "other")]
    assert key([TENANT], metadata=several) == "acme, other"


@pytest.mark.parametrize("message", [None, SimpleNamespace(email=""), SimpleNamespace(email=0)])
def test_what_leaves_a_field_out_is_counted_together(message):
    assert key([Part(Source.FIELD, "email")], message=message) == ""


values = st.lists(st.text(alphabet="a1:0", max_size=4), min_size=3, max_size=3)


@given(one=values, other=values, number=st.integers(1, 3))
def test_no_two_lists_of_values_make_one_key(one, other, number):
    parts = [Part(Source.METADATA, f"k{i}") for i in range(number)]
    keys = [
        key(parts, metadata=[(f"k{i}", v) for i, v in enumerate(these[:number])])
        for these in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one[:number] == other[:number])


def test_parts_count_together():
    assert key([METHOD, TENANT], metadata=[("x-tenant", "acme")]).endswith("acme")
    one = key([METHOD, TENANT, REGION], metadata=[("x-tenant", "a"), ("x-region", "b")])
    assert one != key([METHOD, TENANT, REGION], metadata=[("x-tenant", "b"), ("x-region", "a")])
