import ssl

import pytest

from gateway.core.errors import Origin, Reason, Sent
from gateway.core.status import Code
from gateway.downstream import errors

UNSENT = {
    Reason.UPSTREAM_UNRESOLVED: [
        errors.unresolved("shop", "shop.invalid"),
        errors.slow_to_resolve("shop", "shop.invalid"),
        errors.no_name("shop"),
    ],
    Reason.UPSTREAM_UNREACHABLE: [
        errors.slow_to_connect("shop"),
        errors.unreachable("shop", "127.0.0.1:80", ConnectionRefusedError(111, "refused")),
        errors.turned_away("shop"),
    ],
    Reason.UPSTREAM_TLS: [errors.no_tls("shop", ssl.SSLError(1, "wrong version number"))],
}
BROKEN = [
    errors.unanswered("shop"),
    errors.broken_off("shop"),
    errors.lost("shop", ConnectionResetError(104, "Connection reset by peer")),
]


@pytest.mark.parametrize(("reason", "error"), [(r, e) for r, es in UNSENT.items() for e in es])
def test_what_never_connected_was_not_sent(reason, error):
    assert (error.code, error.reason, error.sent) == (Code.UNAVAILABLE, reason, Sent.NOT_SENT)


@pytest.mark.parametrize("error", BROKEN)
def test_what_broke_has_an_unknown_effect_and_may_pass(error):
    assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.UPSTREAM_RESET)
    assert error.sent is Sent.UNKNOWN
    assert error.transient


@pytest.mark.parametrize("error", [*BROKEN, *(e for es in UNSENT.values() for e in es)])
def test_it_is_the_upstream_that_failed(error):
    assert (error.origin, error.upstream) == (Origin.UPSTREAM, "shop")
    assert error.message.startswith("upstream 'shop' ")


def test_a_name_that_is_none_will_not_become_one():
    assert not errors.no_name("shop").transient
    assert not errors.no_tls("shop", ssl.SSLError(1, "x")).transient


def test_the_gateway_is_what_closes_at_its_end():
    error = errors.closed("shop", Sent.NOT_SENT)
    assert (error.origin, error.reason) == (Origin.GATEWAY, Reason.DRAINING)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(104, "Connection reset by peer"), "lost the connection: Connection reset by peer"),
        (OSError(), "lost the connection: OSError"),
        (OSError("two\nlines\t here"), "lost the connection: two lines here"),
    ],
)
def test_message_is_one_short_line(error, message):
    assert errors.lost("shop", error).message == f"upstream 'shop' {message}"


def test_message_of_a_talkative_error_is_cut():
    assert len(errors.lost("shop", OSError("x" * 5_000)).message) < 300
