import re

import pytest
from fakes.clock import FakeClock
from support.calls import Script, new_call

from gateway.core.criticality import Criticality
from gateway.core.outcome import SUCCESS
from gateway.interceptors.arrival import ArrivalInterceptor, TrustedPeers

SHEDDABLE, SHEDDABLE_PLUS, CRITICAL, CRITICAL_PLUS = Criticality


def arrived(*metadata, method=CRITICAL, trusted=None, peer="ipv4:10.1.2.3:5000"):
    call = new_call(FakeClock(), metadata=metadata, peer=peer)
    assert ArrivalInterceptor(method, trusted).prepare(call) is None
    return call


@pytest.mark.parametrize("method", list(Criticality))
def test_a_call_that_says_nothing_is_as_critical_as_its_method(method):
    call = arrived(("user-agent", "x"), ("authorization", "y"), method=method)
    assert call.criticality is method
    assert call.previous_attempts == 0


@pytest.mark.parametrize(
    ("value", "criticality"),
    [
        ("sheddable", SHEDDABLE),
        ("SHEDDABLE_PLUS", SHEDDABLE_PLUS),
        ("Critical", CRITICAL),
        ("critical_plus", CRITICAL_PLUS),
        ("", CRITICAL_PLUS),
        ("sheddable ", CRITICAL_PLUS),
        ("1", CRITICAL_PLUS),
        ("criticality_unspecified", CRITICAL_PLUS),
        (b"sheddable", CRITICAL_PLUS),
    ],
)
def test_names_are_read_in_any_case_and_nothing_else_is(value, criticality):
    assert arrived(("x-criticality", value), method=CRITICAL_PLUS).criticality is criticality


@pytest.mark.parametrize("trusted", [None, lambda _: False, lambda _: True])
def test_a_caller_may_always_lower_it(trusted):
    call = arrived(("x-criticality", "sheddable"), trusted=trusted)
    assert call.criticality is SHEDDABLE


@pytest.mark.parametrize(
    ("trusted", "criticality"),
    [(None, CRITICAL), (lambda _: False, CRITICAL), (lambda _: True, CRITICAL_PLUS)],
)
def test_only_a_trusted_peer_may_raise_it(trusted, criticality):
    assert arrived(("x-criticality", "critical_plus"), trusted=trusted).criticality is criticality


def test_trust_is_asked_for_the_calls_own_peer():
    asked = []
    arrived(("x-criticality", "critical_plus"), trusted=asked.append, peer="unix:/run/x")
    assert asked == ["unix:/run/x"]


def test_of_several_values_the_least_counts():
    values = ("critical_plus", "sheddable_plus", "critical", "nonsense")
    call = arrived(*[("x-criticality", value) for value in values], trusted=lambda _: True)
    assert call.criticality is SHEDDABLE_PLUS


@pytest.mark.parametrize(
    ("values", "count"),
    [
        (["0"], 0),
        (["3"], 3),
        (["007"], 7),
        (["999999999"], 1000),
        (["1000000000000000000000"], 0),
        (["-1"], 0),
        (["+1"], 0),
        (["1.5"], 0),
        ([""], 0),
        (["²"], 0),
        (["٣"], 0),
        ([b"3"], 0),
        (["2", "5", "x", "1"], 5),
    ],
)
def test_previous_attempts_are_counted_and_garbage_is_not(values, count):
    call = arrived(*[("grpc-previous-rpc-attempts", value) for value in values])
    assert call.previous_attempts == count


def test_both_are_read_of_one_call():
    call = arrived(("grpc-previous-rpc-attempts", "2"), ("a", "b"), ("x-criticality", "sheddable"))
    assert (call.previous_attempts, call.criticality) == (2, SHEDDABLE)


async def test_a_call_goes_on_whatever_it_says():
    target = Script(None)
    call = new_call(FakeClock(), metadata=(("x-criticality", "?"),))
    assert await ArrivalInterceptor(CRITICAL)(call, target) is SUCCESS
    assert target.attempts == 1


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("ipv4:10.1.2.3:5000", True),
        ("ipv4:11.1.2.3:5000", False),
        ("ipv4:192.168.7.7:1", True),
        ("ipv4:192.168.7.8:1", False),
        ("ipv6:%5Bfd00::1%5D:5000", True),
        ("ipv6:[fd00::1]:5000", True),
        ("ipv6:%5B::1%5D:5000", False),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", False),
        ("ipv6:[::ffff:10.1.2.3]:5000", True),
        ("unix:/run/10.1.2.3:5000", False),
        ("unix:", False),
        ("unix-abstract:10.1.2.3:1", False),
        ("ipv4:", False),
        ("ipv4:10.1.2:5", False),
        ("", False),
    ],
)
def test_a_peer_is_trusted_by_its_address(peer, trusted):
    peers = TrustedPeers(["10.0.0.0/8", "192.168.7.7", "fd00::/8"])
    assert [peers(peer), peers(peer)] == [trusted, trusted]


def test_nobody_is_trusted_by_default():
    assert not TrustedPeers([])("ipv4:127.0.0.1:1")


@pytest.mark.parametrize("network", ["10.0.0.0/33", "10.0.0.1/8", "localhost"])
def test_what_is_no_network_is_told(network):
    with pytest.raises(ValueError, match=re.escape(network)):
        TrustedPeers(["10.0.0.0/8", network])


def test_what_is_known_of_peers_is_bounded_and_a_look_up():
    peers = TrustedPeers(["10.0.0.0/8"])
    for port in range(5000):
        assert peers(f"ipv4:10.0.0.1:{port}")
    assert 0 < len(peers._known) <= 4096
    peers._networks = ()  # the address is not looked at again
    assert peers("ipv4:10.0.0.1:4999")
