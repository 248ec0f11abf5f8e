"""Which handler a listener has, and what its calls are told of it."""

from types import SimpleNamespace

import pytest
from fakes.clock import FakeClock

from gateway.config.address import Address
from gateway.config.listeners import ListenerOptions
from gateway.config.material import TlsFiles
from gateway.core.call import Call, MethodInfo
from gateway.dispatch import Dispatch
from gateway.ingress.gate import Gate
from gateway.ingress.handler import CallHandler
from gateway.ingress.listener import CertificateHandler, NamedHandler, handler_for
from gateway.ingress.unserved import UNSERVED, UnservedTarget
from gateway.pipeline import compose

LISTEN = Address("127.0.0.1", 0)
FILES = TlsFiles(cert="cert.pem", key="key.pem")
MUTUAL = TlsFiles(cert="cert.pem", key="key.pem", client_ca="ca.pem")
ORDERS = MethodInfo("shop.v1.OrderService", "GetOrder")
HEALTH = MethodInfo("grpc.health.v1.Health", "Check")


UNKNOWN = compose(UNSERVED, (), (), UnservedTarget())


class Context:
    """What grpc hands over; counts how often the certificate is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def time_remaining(self) -> None:
        return None

    def invocation_metadata(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:5000"

    def auth_context(self) -> dict[str, list[bytes]]:
        self.asked += 1
        return {"x509_common_name": [b"worker"]}


def handler(**options: object) -> CallHandler:
    dispatch = Dispatch([SimpleNamespace(method=ORDERS), SimpleNamespace(method=HEALTH)])
    listener = ListenerOptions(listen=LISTEN, **options)
    return handler_for(dispatch, Gate(), FakeClock(), UNKNOWN, None, listener)


async def sink(_payload: bytes) -> None:
    raise AssertionError("nothing is sent here")


@pytest.mark.parametrize(
    ("options", "kind", "listener", "certificate"),
    [
        ({}, CallHandler, "", ()),
        ({"name": "localhost:1"}, NamedHandler, "localhost:1", ()),
        ({"name": "localhost:1", "tls": FILES}, NamedHandler, "localhost:1", ()),
        (
            {"name": "localhost:1", "tls": MUTUAL},
            CertificateHandler,
            "localhost:1",
            ("CN:worker",),
        ),
    ],
)
def test_calls_know_their_listener_and_nobody_asks_for_more(options, kind, listener, certificate):
    context = Context()
    one = handler(**options)
    call = one._new_call(Call, ORDERS, sink, b"", context)
    assert type(one) is kind
    assert (call.listener, call.certificate) == (listener, certificate)
    assert context.asked == bool(certificate)


def details(method: MethodInfo) -> SimpleNamespace:
    return SimpleNamespace(method=method.path)


def test_a_listener_has_handlers_of_its_services_alone():
    one = handler(services=frozenset({HEALTH.service}))
    assert set(one._handlers) == {HEALTH.path}
    assert one.service(details(HEALTH)) is one._handlers[HEALTH.path]
    assert set(handler()._handlers) == {HEALTH.path, ORDERS.path}


class Aborted(Exception):
    pass


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/shop.v1.OrderService/GetOrder", "shop.v1.OrderService is not served on this address"),
        ("/grpc.health.v1.Health/Chekc", "has no method 'Chekc' that is served here"),
        ("/shop.v1.Orders/GetOrder", "there is no service 'shop.v1.Orders' here"),
    ],
)
async def test_what_a_listener_does_not_serve_is_unimplemented(path, text):
    told = []

    class Refusing(Context):
        async def abort(self, code: object, message: str, _trailers: object) -> None:
            told.append((code.name, message))
            raise Aborted

    one = handler(services=frozenset({HEALTH.service}))
    with pytest.raises(Aborted):
        await one.service(SimpleNamespace(method=path)).stream_stream(b"", Refusing())
    ((code, message),) = told
    assert code == "UNIMPLEMENTED"
    assert text in message
    assert "grpcurl" not in message  # there is no reflection here
