import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

from gateway.core.errors import (
    CallError,
    KnownReason,
    Origin,
    Reason,
    Violation,
    Words,
    invalid_request,
)
from gateway.core.own_words import action_for
from gateway.core.status import Code
from gateway.ingress.status import CODES, MAX_DETAILS, _sentence, to_trailers


def status_of(error: CallError, attempts: int = 1) -> status_pb2.Status:
    code, message, trailers = to_trailers(error, attempts)
    ((key, value),) = trailers
    assert key == "grpc-status-details-bin"
    status = status_pb2.Status.FromString(value)
    assert CODES[Code(status.code)] is code
    assert status.message == message
    return status


def detail(status: status_pb2.Status, kind: type) -> object:
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            return message
    return None


def test_every_code_has_grpcs_own():
    assert {code: CODES[code].name for code in Code} == {code: code.name for code in Code}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words_for_people(reason):
    said = detail(status_of(CallError(Code.UNAVAILABLE, reason, "what happened")), UserMessage)
    assert isinstance(said, UserMessage)
    assert said.title
    assert said.text == "What happened."
    assert said.action


def test_the_machine_is_told_who_failed_and_how_often():
    error = CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_STATUS,
        "x",
        origin=Origin.UPSTREAM,
        http_status=503,
        upstream="shop",
    )
    info = detail(status_of(error, attempts=3), error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert info.domain == "seawall"
    assert dict(info.metadata) == {
        "origin": "upstream",
        "attempts": "3",
        "upstream": "shop",
        "http_status": "503",
    }


def test_a_known_delay_is_told_exactly():
    error = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "x", retry_after_s=1.25)
    retry = detail(status_of(error), error_details_pb2.RetryInfo)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (1, 250_000_000)


def test_fields_at_fault_are_named():
    bad = detail(status_of(invalid_request("is empty", "order_id")), error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("order_id", "is empty")]


def test_what_the_upstream_sent_comes_first():
    theirs = any_pb2.Any()
    theirs.Pack(error_details_pb2.ErrorInfo(reason="STOCK", domain="shop"))
    error = CallError(
        Code.ABORTED, Reason.UPSTREAM_STATUS, "x", details=[theirs.SerializeToString()]
    )
    assert status_of(error).details[0] == theirs


def test_trailers_stay_under_the_limit_of_clients():
    theirs = any_pb2.Any(type_url="t/x", value=b"x" * 3000)
    error = CallError(
        Code.ABORTED,
        Reason.UPSTREAM_STATUS,
        "é" * 5000,
        violations=[Violation("f", "d")],
        details=[theirs.SerializeToString()] * 10,
    )
    _, message, trailers = to_trailers(error, 1)
    assert len(message) <= 1024
    value = trailers[0][1]
    assert isinstance(value, bytes)
    # As headers go: the message percent-encoded, the details in base64, under 8 KiB and some.
    assert len(value) <= MAX_DETAILS + 1024
    assert detail(status_pb2.Status.FromString(value), UserMessage) is not None


async def test_what_travels_is_ascii_or_bytes():
    status, _, _ = to_trailers(CallError(Code.INTERNAL, Reason.INTERNAL, "ü\n"), 0)
    assert status is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("delay_s", "said"),
    [
        (0.013, "Try again in 1 second."),
        (1.0, "Try again in 1 second."),
        (1.2, "Try again in 2 seconds."),
    ],
)
def test_people_are_told_whole_seconds(delay_s, said):
    error = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "full", retry_after_s=delay_s)
    assert action_for(error) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the order is gone", "The order is gone."),
        ("acme.v1.Books has no method GetBok", "acme.v1.Books has no method GetBok."),
        ("what now?", "What now?"),
    ],
)
def test_a_sentence_begins_with_a_capital_but_an_identifier_is_kept(text, said):
    assert _sentence(text) == said


# The error catalog

KNOWN = KnownReason(
    name="CARD_DECLINED",
    domain="shop.v1",
    words=Words("Abgelehnt", "iDEAL hat abgelehnt", "Andere Karte."),
    language="de",
)


def named(known: KnownReason, **more: object) -> CallError:
    error = CallError(
        Code.ABORTED, Reason.UPSTREAM_STATUS, "upstream 'shop' answered 402", http_status=402
    )
    error.known_as = known
    for name, value in more.items():
        setattr(error, name, value)
    return error


def test_a_reason_of_the_catalog_keeps_the_gateways_as_its_cause() -> None:
    info = detail(status_of(named(KNOWN, upstream="shop"), 2), error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("CARD_DECLINED", "shop.v1")
    assert dict(info.metadata) == {
        "origin": "gateway",
        "attempts": "2",
        "cause": "UPSTREAM_STATUS",
        "upstream": "shop",
        "http_status": "402",
    }


def test_a_reworded_reason_of_the_gateway_has_no_cause() -> None:
    own = KnownReason(name="RATE_LIMITED", domain="seawall", words=Words("Langsam"))
    error = named(own, reason=Reason.RATE_LIMITED)
    info = detail(status_of(error), error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("RATE_LIMITED", "seawall")
    assert "cause" not in info.metadata


def test_a_reason_of_a_service_without_a_package_has_a_cause_too() -> None:
    known = KnownReason(name="OURS", domain="seawall", words=Words())
    info = detail(status_of(named(known)), error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.metadata["cause"]) == ("OURS", "UPSTREAM_STATUS")


def test_people_are_told_the_catalogs_words_as_they_are_written() -> None:
    status = status_of(named(KNOWN))
    said = detail(status, UserMessage)
    assert isinstance(said, UserMessage)
    assert (said.title, said.text, said.action) == (
        "Abgelehnt",
        "iDEAL hat abgelehnt",
        "Andere Karte.",
    )
    assert status.message == "upstream 'shop' answered 402"
    localized = detail(status, error_details_pb2.LocalizedMessage)
    assert isinstance(localized, error_details_pb2.LocalizedMessage)
    assert (localized.locale, localized.message) == ("de", "iDEAL hat abgelehnt")


def test_without_a_language_that_was_asked_for_nothing_is_localized() -> None:
    known = KnownReason(name="A", domain="d", words=Words("T", "M", "A"))
    assert detail(status_of(named(known)), error_details_pb2.LocalizedMessage) is None


def test_words_that_the_catalog_lacks_are_the_gateways() -> None:
    known = KnownReason(name="A", domain="d", words=Words())
    said = detail(status_of(named(known)), UserMessage)
    assert isinstance(said, UserMessage)
    assert said.title == "The service answered with an error"
    assert said.text == "Upstream 'shop' answered 402."
    assert said.action == "Correct the request."


def test_limits_that_are_used_up_are_named() -> None:
    error = named(KNOWN, exhausted=(Violation("logins", "5 calls in 900 s"),))
    quota = detail(status_of(error), error_details_pb2.QuotaFailure)
    assert isinstance(quota, error_details_pb2.QuotaFailure)
    assert [(v.subject, v.description) for v in quota.violations] == [
        ("logins", "5 calls in 900 s")
    ]


# What is left out where the room ends


def kinds(status: status_pb2.Status) -> list[str]:
    return [packed.type_url.rpartition(".")[2] for packed in status.details]


ALL = [
    "ErrorInfo",
    "ErrorInfo",
    "RetryInfo",
    "BadRequest",
    "QuotaFailure",
    "LocalizedMessage",
    "UserMessage",
]


def crowded(theirs: int = 20, violations: int = 1, sentence: int = 10) -> CallError:
    upstream = any_pb2.Any()
    upstream.Pack(error_details_pb2.ErrorInfo(reason="X" * theirs))
    words = Words("t", "m" * sentence, "a")
    return named(
        KnownReason(name="A", domain="d", words=words, language="de"),
        details=[upstream.SerializeToString()],
        retry_after_s=1.0,
        violations=[Violation(f"f{i}", "d" * 100) for i in range(violations)],
        exhausted=[Violation("logins", "d")],
    )


def test_details_have_their_order() -> None:
    assert kinds(status_of(crowded())) == ALL


def test_what_the_upstream_sent_is_left_out_first() -> None:
    assert kinds(status_of(crowded(theirs=2_500))) == ALL[1:]


def test_the_localized_sentence_is_left_out_next() -> None:
    left = [kind for kind in ALL[1:] if kind != "LocalizedMessage"]
    assert kinds(status_of(crowded(theirs=2_500, violations=18, sentence=500))) == left


def test_of_many_fields_the_first_are_told() -> None:
    status = status_of(crowded(violations=1_000))
    bad = detail(status, error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert 15 < len(bad.field_violations) < 30
    assert [v.field for v in bad.field_violations] == [
        f"f{i}" for i in range(len(bad.field_violations))
    ]
    assert status.ByteSize() <= MAX_DETAILS


def test_a_longer_detail_of_the_upstream_leaves_room_for_a_shorter_one() -> None:
    packed = []
    for size in (3_000, 10):
        one = any_pb2.Any()
        one.Pack(error_details_pb2.ErrorInfo(reason="X" * size))
        packed.append(one.SerializeToString())
    status = status_of(CallError(Code.ABORTED, Reason.UPSTREAM_STATUS, "x", details=packed))
    first = detail(status, error_details_pb2.ErrorInfo)
    assert isinstance(first, error_details_pb2.ErrorInfo)
    assert first.reason == "X" * 10


def test_the_largest_words_leave_who_when_and_what() -> None:
    words = Words("拒" * 400, "拒" * 900, "拒" * 900)
    known = KnownReason(name="A" * 63, domain="d" * 128, words=words, language="zh-Hant")
    error = named(
        known,
        message="x" * 5_000,
        upstream="u" * 500,
        retry_after_s=1.5,
        violations=[Violation("f" * 5_000, "d" * 5_000)] * 50,
        exhausted=[Violation("f" * 5_000, "d" * 5_000)] * 50,
    )
    status = status_of(error)
    assert {"ErrorInfo", "RetryInfo", "UserMessage"} <= set(kinds(status))
    assert status.ByteSize() <= MAX_DETAILS
    said = detail(status, UserMessage)
    assert isinstance(said, UserMessage)
    assert said.text.startswith("拒" * 160)
    assert said.text.endswith("…")


def test_a_message_is_cut_by_its_length_on_the_wire() -> None:
    for character in ("x", "%", "é", "拒", "😀", "\n"):
        _, message, _ = to_trailers(CallError(Code.ABORTED, Reason.INTERNAL, character * 5_000), 0)
        encoded = message.encode()
        plain = sum(0x20 <= byte <= 0x7E and byte != 0x25 for byte in encoded)
        assert plain + 3 * (len(encoded) - plain) <= 1024 + 9
        assert message.endswith("…")


# What cannot be said as it is


@pytest.mark.parametrize("text", ["\ud800", "\udcff x", "é\ud800" * 3_000])
def test_half_characters_are_question_marks(text: str) -> None:
    known = KnownReason(name="A", domain="d", words=Words(text, text, text), language="de")
    error = named(
        known,
        message=text,
        upstream=text,
        violations=[Violation(text, text)],
        exhausted=[Violation(text, text)],
    )
    status = status_of(error)
    assert "?" in status.message
    said = detail(status, UserMessage)
    assert isinstance(said, UserMessage)
    assert "?" in said.title
    assert "?" in said.text
    assert "?" in said.action


@pytest.mark.parametrize(("told_s", "delay_s"), [(-0.5, 0), (0.0, 0), (1e10, 1e10)])
def test_a_delay_is_one_that_a_duration_can_hold(told_s: float, delay_s: float) -> None:
    error = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "x", retry_after_s=told_s)
    retry = detail(status_of(error), error_details_pb2.RetryInfo)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (delay_s, 0)


@pytest.mark.parametrize(
    ("known_as", "transient", "kept"),
    [(KNOWN, False, False), (KNOWN, True, True), (None, False, True), (None, True, True)],
)
def test_a_delay_of_the_upstream_goes_where_the_catalog_says_never(
    known_as: KnownReason | None, transient: bool, kept: bool
) -> None:
    packed = []
    for one in (
        error_details_pb2.RetryInfo(retry_delay={"seconds": 5}),
        error_details_pb2.ErrorInfo(reason="STOCK"),
    ):
        packed.append(any_pb2.Any())
        packed[-1].Pack(one)
    error = CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_STATUS,
        "x",
        transient=transient,
        known_as=known_as,
        details=[one.SerializeToString() for one in packed],
    )
    told = kinds(status_of(error))
    assert told[: 2 + kept] == (["RetryInfo"] if kept else []) + ["ErrorInfo"] * 2
    assert told.count("RetryInfo") == kept


@pytest.mark.parametrize(
    ("pushback_s", "told"), [(None, None), (-1, "-1"), (0.0, "0"), (1.5, "1500")]
)
def test_clients_that_retry_by_themselves_are_told(
    pushback_s: float | None, told: str | None
) -> None:
    error = CallError(Code.UNAVAILABLE, Reason.OVERLOADED, "x", pushback_s=pushback_s)
    _, _, trailers = to_trailers(error, 0)
    assert dict(trailers).get("grpc-retry-pushback-ms") == told


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (CallError(Code.ABORTED, Reason.UPSTREAM_STATUS, "x", http_status=409), "Correct the"),
        (
            CallError(
                Code.UNAVAILABLE,
                Reason.UPSTREAM_STATUS,
                "x",
                transient=True,
                http_status=503,
                retry_after_s=7,
            ),
            "Try again in 7 seconds.",
        ),
    ],
)
def test_people_are_told_whether_and_when_to_come_back(error: CallError, action: str) -> None:
    said = detail(status_of(error), UserMessage)
    assert isinstance(said, UserMessage)
    assert said.should_retry is error.transient
    assert said.action.startswith(action)
    assert said.HasField("retry_delay") is (error.retry_after_s is not None)
    if error.retry_after_s is not None:
        assert said.retry_delay.seconds == error.retry_after_s
