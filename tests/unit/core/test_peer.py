import pytest
from fakes.clock import FakeClock
from support.calls import new_call

from gateway.core import peer as peer_module
from gateway.core.peer import PeerAddress, address_of, host_of


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:1.2.3.4:5", "1.2.3.4"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:5", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::1]:5", "2001:db8:1:2::/64"),
        ("ipv6:%5B::1%5D:5", "::/64"),
        ("ipv6:%5B::ffff:1.2.3.4%5D:5", "1.2.3.4"),  # IPv4 on a socket for both
        ("ipv6:%5Bfe80::1%25eth0%5D:5", "fe80::/64"),
        ("unix:/run/seawall.sock", "unix"),
        ("unix:", "unix"),
        ("ipv4:not an address:5", "unknown"),
        ("1.2.3.4", "unknown"),
        ("", "unknown"),
        ("ipv4:" + "9" * 10_000, "unknown"),
        ("caller-chosen:1", "unknown"),
    ],
)
def test_a_peer_is_counted_by_what_one_customer_has(peer, host):
    assert host_of(peer) == host


def test_two_connections_of_one_customer_are_one_peer():
    assert host_of("ipv4:1.2.3.4:5") == host_of("ipv4:1.2.3.4:6")
    one, other = "ipv6:%5B2001:db8::1%5D:5", "ipv6:%5B2001:db8::2%5D:6"
    assert host_of(one) == host_of(other)
    assert host_of(one) != host_of("ipv6:%5B2001:db8:0:1::1%5D:5")


def test_the_address_itself_is_known_too():
    assert str(address_of("ipv6:%5B2001:db8::1%5D:5")) == "2001:db8::1"
    assert address_of("unix:/run/x") is None


def test_what_is_remembered_of_peers_is_bounded():
    for port in range(10_000):
        host_of(f"ipv4:10.1.2.3:{port}")
        PeerAddress(1)(called_by(("x-forwarded-for", f"10.0.{port >> 8}.{port & 255}")))
    for cache in (host_of, address_of, peer_module._known_host):
        assert cache.cache_info().currsize <= 4096


def called_by(*metadata, listener=""):
    call = new_call(FakeClock(), peer="ipv4:10.0.0.9:5", metadata=metadata)
    call.listener = listener
    return call


@pytest.mark.parametrize(
    ("hops", "values", "host"),
    [
        (0, ["1.1.1.1"], "10.0.0.9"),  # nobody is trusted
        (1, [], "10.0.0.9"),
        (1, ["1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),  # 6.6.6.6 is what the caller wrote
        (2, ["6.6.6.6, 1.1.1.1, 2.2.2.2"], "1.1.1.1"),
        (2, ["6.6.6.6", "1.1.1.1, 2.2.2.2"], "1.1.1.1"),
        (2, ["6.6.6.6, 1.1.1.1", "2.2.2.2"], "1.1.1.1"),
        (3, ["1.1.1.1", "2.2.2.2,3.3.3.3"], "1.1.1.1"),
        (3, ["1.1.1.1, 2.2.2.2"], "10.0.0.9"),  # fewer than there must be
        (1, ["1.1.1.1,"], "10.0.0.9"),
        (1, ["unknown"], "10.0.0.9"),
        (1, ["x" * 10_000], "10.0.0.9"),
        (1, ["1.1.1.1:443"], "1.1.1.1"),
        (1, ["2001:db8::7"], "2001:db8::/64"),
        (1, ["[2001:db8::7]:443"], "2001:db8::/64"),
        (1, ["::ffff:1.1.1.1"], "1.1.1.1"),
        (1, [b"1.1.1.1"], "10.0.0.9"),
    ],
)
def test_behind_trusted_proxies_the_address_is_the_one_that_they_saw(hops, values, host):
    call = called_by(*(("x-forwarded-for", value) for value in values), ("other", "7.7.7.7"))
    assert PeerAddress(hops)(call) == host


def test_a_listener_can_have_proxies_of_its_own():
    address = PeerAddress(0, {"0.0.0.0:8443": 1})
    forwarded = ("x-forwarded-for", "1.1.1.1")
    assert address(called_by(forwarded)) == "10.0.0.9"
    assert address(called_by(forwarded, listener="0.0.0.0:8443")) == "1.1.1.1"
