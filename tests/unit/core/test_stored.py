"""How a call ended, as bytes and back."""

import pytest

from gateway.core.errors import CallError, Origin, Reason, Sent, Violation
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS, Kind, failed
from gateway.core.status import Code
from gateway.core.stored import UnreadableError, pack, unpack


def test_an_answer_comes_back_with_its_metadata() -> None:
    landing = Landing(SUCCESS, b"\x00\xffanswer", (("x-a", "1"), ("x-b-bin", b"\x00\x01")), 3)
    assert unpack(pack(landing)) == landing._replace(attempts=0)


def test_an_error_comes_back_with_all_that_its_caller_is_told() -> None:
    error = CallError(
        Code.INVALID_ARGUMENT,
        Reason.UPSTREAM_STATUS,
        "upstream 'shop' answered 422: ünacceptable",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
        transient=False,
        http_status=422,
        retry_after_s=1.5,
        upstream="shop",
        violations=(Violation("a.b", "must not"),),
        details=(b"\x0a\x00",),
        exhausted=(Violation("limit", "is reached"),),
        body={"error": {"code": "card_declined"}},
    )
    landing = unpack(pack(Landing(failed(error))))
    found = landing.outcome.error
    assert found is not None
    for name in CallError.__dataclass_fields__:
        assert getattr(found, name) == getattr(error, name), name
    assert landing.outcome.kind is Kind.IGNORED


def test_large_bodies_are_left_out() -> None:
    error = CallError(Code.NOT_FOUND, Reason.UPSTREAM_STATUS, "no", body={"x": "y" * 20_000})
    found = unpack(pack(Landing(failed(error)))).outcome.error
    assert found is not None
    assert found.body is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\x00\x00\x05hello", b'\x00\x00\x00\x07{"v":9}', b"\x00\x00\x00\x02{}", b"\xff" * 9],
)
def test_what_cannot_be_read_says_so(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        unpack(data)
