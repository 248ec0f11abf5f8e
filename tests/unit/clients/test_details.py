"""Details of failures that are put together by hand: whose they are, and what is broken."""

import grpc
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage
from seawall_client import Failure, FieldViolation, read_failure

BadRequest = error_details_pb2.BadRequest
ErrorInfo = error_details_pb2.ErrorInfo
LocalizedMessage = error_details_pb2.LocalizedMessage
QuotaFailure = error_details_pb2.QuotaFailure
RetryInfo = error_details_pb2.RetryInfo

OWN = ErrorInfo(reason="UPSTREAM_STATUS", domain="seawall", metadata={"origin": "upstream"})
NAMED = ErrorInfo(reason="DECLINED", domain="shop.v1", metadata={"cause": "UPSTREAM_STATUS"})
AGAIN = UserMessage(title="T", text="Text.", action="Again.", should_retry=True)
NEVER = UserMessage(title="T", text="Text.", action="Pay.")


class Failed(grpc.RpcError):
    """As a stub raises it."""

    def __init__(self, trailers: object) -> None:
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.ABORTED

    def details(self) -> str | None:
        return None

    def trailing_metadata(self) -> object:
        return self._trailers


def packed(detail: Message) -> any_pb2.Any:
    found = any_pb2.Any()
    found.Pack(detail)
    return found


def read(*details: Message) -> Failure:
    status = status_pb2.Status(
        details=[one if isinstance(one, any_pb2.Any) else packed(one) for one in details]
    )
    return read_failure(Failed([("grpc-status-details-bin", status.SerializeToString())]))


def retry(seconds: int) -> RetryInfo:
    return RetryInfo(retry_delay={"seconds": seconds, "nanos": 500_000_000})


def field(name: str) -> BadRequest:
    return BadRequest(field_violations=[{"field": name, "description": "d"}])


def limit(name: str) -> QuotaFailure:
    return QuotaFailure(violations=[{"subject": name, "description": "d"}])


def names(found: tuple[FieldViolation, ...]) -> list[str]:
    return [one.field for one in found]


@pytest.mark.parametrize("own", [OWN, NAMED])
@pytest.mark.parametrize(
    "theirs",
    [
        ErrorInfo(reason="STOCK", domain="warehouse"),
        ErrorInfo(reason="STOCK", domain="seawall", metadata={"origin": "gateway"}),
        ErrorInfo(reason="STOCK", domain="b.v1", metadata={"cause": "BREAKER_OPEN"}),
    ],
    ids=["foreign", "another gateway", "the catalog of another gateway"],
)
def test_the_last_reason_is_the_gateways_and_one_before_it_the_upstreams(
    own: ErrorInfo, theirs: ErrorInfo
) -> None:
    failure = read(theirs, own, NEVER)
    assert (failure.reason, failure.domain) == (own.reason, own.domain)
    assert failure.cause == own.metadata.get("cause", "")
    assert failure.origin == own.metadata.get("origin", "")
    assert failure.upstream_reason == "STOCK"


def test_of_several_reasons_of_an_upstream_the_last_is_its_own() -> None:
    inner, outer = ErrorInfo(reason="DISK_FULL"), ErrorInfo(reason="STOCK")
    assert read(inner, outer, OWN, NEVER).upstream_reason == "STOCK"


def test_a_reason_of_no_gateway_is_its_servers() -> None:
    failure = read(ErrorInfo(reason="STOCK", domain="warehouse"), retry(3), field("a"))
    assert (failure.reason, failure.domain, failure.upstream_reason) == ("", "", "STOCK")
    assert (failure.retry_delay_s, names(failure.violations)) == (3.5, ["a"])


def test_words_for_people_are_those_of_the_gateway() -> None:
    theirs = (UserMessage(title="Theirs"), LocalizedMessage(locale="fr", message="Non."))
    failure = read(*theirs, NAMED, NEVER)
    assert (failure.title, failure.text, failure.localized) == ("T", "Text.", "")
    assert str(failure) == "ABORTED DECLINED: Text. Pay."
    localized = read(*theirs, NAMED, LocalizedMessage(locale="de", message="Nein."), NEVER)
    assert localized.localized == "Nein."
    assert str(localized) == "ABORTED DECLINED: Nein. Pay."


@pytest.mark.parametrize(
    ("details", "delay_s"),
    [
        ((retry(9), OWN, retry(3), AGAIN), 3.5),
        ((retry(9), OWN, AGAIN), 9.5),
        ((retry(9), OWN, NEVER), None),
        ((OWN, AGAIN), None),
        ((OWN, RetryInfo(), AGAIN), 0.0),
    ],
)
def test_a_delay_of_the_upstream_counts_where_the_gateway_knows_none_and_it_helps(
    details: tuple[Message, ...], delay_s: float | None
) -> None:
    assert read(*details).retry_delay_s == delay_s


def test_fields_and_limits_of_the_upstream_count_where_the_gateway_tells_none() -> None:
    theirs = (field("theirs"), limit("theirs"))
    kept = read(*theirs, OWN, NEVER)
    assert (names(kept.violations), names(kept.exhausted)) == (["theirs"], ["theirs"])
    own = read(*theirs, OWN, field("ours"), limit("ours"), NEVER)
    assert (names(own.violations), names(own.exhausted)) == (["ours"], ["ours"])


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "²", "9" * 5_000])
def test_a_number_that_is_none_is_not_told(text: str) -> None:
    told = ErrorInfo(domain="seawall", metadata={"attempts": text, "http_status": "402"})
    failure = read(told)
    assert (failure.attempts, failure.http_status) == (None, 402)


def test_a_detail_that_cannot_be_read_is_left_out() -> None:
    broken = packed(retry(3))
    broken.value = b"\xff"
    failure = read(OWN, retry(7), broken, AGAIN)
    assert (failure.reason, failure.retry_delay_s) == ("UPSTREAM_STATUS", 7.5)


@pytest.mark.parametrize(
    "trailers",
    [
        None,
        [],
        [("grpc-status-details-bin", b"\xff")],
        [("grpc-status-details-bin", "text")],
        [("other-bin", b"")],
    ],
)
def test_without_details_there_is_the_status(trailers: object) -> None:
    failure = read_failure(Failed(trailers))
    assert failure == Failure(code=grpc.StatusCode.ABORTED, message="")
