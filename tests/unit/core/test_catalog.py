"""What failures are called: rules, entries, and the words of a language."""

import pytest
from fakes.clock import FakeClock
from support.calls import answered, new_call, refused, reset

from gateway.core.call import Call
from gateway.core.catalog import Entry, ErrorNames, ErrorRule, ranges
from gateway.core.errors import CallError, Origin, Reason, Words
from gateway.core.status import Code

ENTRY = Entry(name="CARD_DECLINED", domain="shop.v1", words=Words("Declined", "No.", "Pay."))


def call(language: str | None = None) -> Call:
    metadata = () if language is None else (("accept-language", language),)
    return new_call(FakeClock(), metadata=metadata)


def named(rule: ErrorRule, error: CallError, language: str | None = None) -> CallError:
    ErrorNames([rule])(call(language), error)
    return error


def rule(entry: Entry = ENTRY, **conditions: object) -> ErrorRule:
    return ErrorRule(entry=entry, **conditions)


def broken() -> CallError:
    return CallError(Code.INTERNAL, Reason.INTERNAL, "x")


def with_body(body: object) -> CallError:
    error = answered(402)
    error.body = body
    return error


# Rules


@pytest.mark.parametrize(
    ("conditions", "error", "fits"),
    [
        ({"http_statuses": frozenset((402, 503))}, answered(503), True),
        ({"http_statuses": frozenset((402,))}, answered(503), False),
        ({"http_statuses": frozenset((503,))}, refused(), False),
        ({"codes": frozenset((Code.UNAVAILABLE,))}, refused(), True),
        ({"codes": frozenset((Code.INTERNAL,))}, refused(), False),
        ({"reasons": frozenset((Reason.UPSTREAM_RESET,))}, reset(), True),
        ({"reasons": frozenset((Reason.UPSTREAM_RESET,))}, refused(), False),
        (
            {
                "codes": frozenset((Code.INTERNAL,)),
                "reasons": frozenset((Reason.UPSTREAM_RESET,)),
            },
            reset(),
            True,
        ),
        (
            {"http_statuses": frozenset((503,)), "codes": frozenset((Code.INTERNAL,))},
            answered(503),
            False,
        ),
        (
            {"http_statuses": frozenset((503,)), "codes": frozenset((Code.UNAVAILABLE,))},
            answered(503),
            True,
        ),
    ],
)
def test_all_conditions_hold_and_any_of_on(
    conditions: dict[str, object], error: CallError, fits: bool
) -> None:
    assert rule(**conditions).fits(error) is fits


@pytest.mark.parametrize(
    ("body", "path", "text", "fits"),
    [
        ({"error": {"code": "declined"}}, "error.code", "declined", True),
        ({"error": {"code": "declined"}}, "error.code", "Declined", False),
        ({"error": {"code": 7}}, "error.code", "7", True),
        ({"error": {"code": 7.5}}, "error.code", "7.5", True),
        ({"final": True}, "final", "true", True),
        ({"final": False}, "final", "false", True),
        ({"final": True}, "final", "True", False),
        ({"final": True}, "final", "1", False),
        ({"errors": [{"code": "a"}, {"code": "b"}]}, "errors.1.code", "b", True),
        ({"errors": [{"code": "a"}]}, "errors.1.code", "a", False),
        ([{"code": "a"}], "0.code", "a", True),
        ({"errors": {"1": "a"}}, "errors.1", "a", True),
        ({"errors": ["a"]}, "errors.-1", "a", False),
        ({"errors": ["a"]}, "errors.x", "a", False),
        ({"errors": ["a"]}, "errors." + "9" * 5_000, "a", False),
        ({"code": None}, "code", "None", False),
        ({"code": {}}, "code", "{}", False),
        ({"code": "x"}, "code.more", "x", False),
        (None, "code", "x", False),
        ("code", "code", "code", False),
        ({"code": ""}, "code", "", True),
        ({}, "code", "", False),
    ],
)
def test_values_of_a_body_are_compared_as_text(
    body: object, path: str, text: str, fits: bool
) -> None:
    condition = ((tuple(path.split(".")), text),)
    assert rule(body=condition).fits(with_body(body)) is fits


def test_all_paths_of_a_body_must_have_their_text() -> None:
    both = ((("a",), "1"), (("b",), "2"))
    assert rule(body=both).fits(with_body({"a": 1, "b": 2}))
    assert not rule(body=both).fits(with_body({"a": 1, "b": 3}))


def test_the_first_rule_that_fits_names_it() -> None:
    others = [
        rule(Entry(name=name, domain="d"), http_statuses=frozenset(statuses))
        for name, statuses in (("A", {400}), ("B", {402, 503}), ("C", {503}))
    ]
    error = answered(503)
    ErrorNames(others)(call(), error)
    assert error.known_as is not None
    assert error.known_as.name == "B"


def test_what_no_rule_fits_stays_as_it_was() -> None:
    error = named(rule(http_statuses=frozenset((402,))), answered(503, retry_after_s=3))
    assert error.known_as is None
    assert (error.code, error.transient, error.retry_after_s) == (Code.UNAVAILABLE, True, 3)


@pytest.mark.parametrize("status", [402, 503])
def test_what_the_upstream_answered_goes_no_further(status: int) -> None:
    error = with_body({"secret": "x"})
    assert named(rule(http_statuses=frozenset((status,))), error).body is None


def test_bodies_are_kept_only_where_a_rule_reads_them() -> None:
    assert not ErrorNames([rule(http_statuses=frozenset((402,)))]).reads_bodies
    assert ErrorNames([rule(body=((("a",), "1"),))]).reads_bodies


# Entries


UNAVAILABLE = frozenset((Code.UNAVAILABLE,))


def test_an_entry_has_its_own_status_and_word_on_retries() -> None:
    entry = Entry(name="A", domain="d", code=Code.FAILED_PRECONDITION, should_retry=False)
    error = named(rule(entry, codes=UNAVAILABLE), answered(503, retry_after_s=3))
    assert (error.code, error.transient) == (Code.FAILED_PRECONDITION, False)
    assert error.retry_after_s is None


def test_what_an_entry_does_not_say_stays() -> None:
    error = answered(503, retry_after_s=3)
    error.origin, error.upstream = Origin.UPSTREAM, "shop"
    named(rule(codes=UNAVAILABLE), error)
    assert (error.code, error.transient, error.retry_after_s) == (Code.UNAVAILABLE, True, 3)
    assert error.reason is Reason.UPSTREAM_STATUS
    assert (error.http_status, error.origin, error.upstream) == (503, Origin.UPSTREAM, "shop")


@pytest.mark.parametrize(("told", "delay_s"), [(None, 30), (3, 3)])
def test_the_delay_of_an_entry_holds_where_nothing_else_tells_one(told, delay_s) -> None:
    entry = Entry(name="A", domain="d", retry_delay_s=30)
    assert named(rule(entry, codes=UNAVAILABLE), answered(503, told)).retry_after_s == delay_s


def test_what_is_not_to_be_tried_again_is_told_no_delay() -> None:
    entry = Entry(name="A", domain="d", retry_delay_s=30)
    error = answered(500)
    assert not error.transient
    assert named(rule(entry, codes=UNAVAILABLE), error).retry_after_s is None


@pytest.mark.parametrize("pushback_s", [None, 5.0, -1])
def test_a_client_that_retries_by_itself_is_told_not_to(pushback_s) -> None:
    error = answered(503, 5)
    error.pushback_s = pushback_s
    never = Entry(name="A", domain="d", should_retry=False)
    assert named(rule(never, codes=UNAVAILABLE), error).pushback_s == -1


@pytest.mark.parametrize("pushback_s", [None, 5.0, -1])
@pytest.mark.parametrize("should_retry", [None, True])
def test_what_the_gateway_tells_such_a_client_stays_otherwise(pushback_s, should_retry) -> None:
    error = answered(503, 5)
    error.pushback_s = pushback_s
    entry = Entry(name="A", domain="d", should_retry=should_retry)
    assert named(rule(entry, codes=UNAVAILABLE), error).pushback_s == pushback_s


def test_an_entry_that_says_again_has_its_delay_where_the_failure_said_never() -> None:
    entry = Entry(name="A", domain="d", should_retry=True, retry_delay_s=30)
    error = named(rule(entry, codes=frozenset((Code.INTERNAL,))), broken())
    assert (error.transient, error.retry_after_s) == (True, 30)


def test_an_entry_of_the_catalog_has_its_words_name_and_domain() -> None:
    known = named(rule(codes=UNAVAILABLE), answered(503)).known_as
    assert known is not None
    assert (known.name, known.domain, known.words) == ("CARD_DECLINED", "shop.v1", ENTRY.words)


def test_one_of_the_gateways_own_reasons_is_reworded() -> None:
    own = {Reason.UPSTREAM_STATUS: Entry(name="UPSTREAM_STATUS", domain="seawall")}
    error = answered(503)
    ErrorNames((), own)(call(), error)
    assert error.known_as is not None
    assert (error.known_as.name, error.known_as.domain) == ("UPSTREAM_STATUS", "seawall")
    other = reset()
    ErrorNames((), own)(call(), other)
    assert other.known_as is None


def test_a_rule_goes_before_the_gateways_own_words() -> None:
    own = {Reason.UPSTREAM_STATUS: Entry(name="UPSTREAM_STATUS", domain="seawall")}
    error = answered(503)
    ErrorNames([rule(codes=UNAVAILABLE)], own)(call(), error)
    assert error.known_as is not None
    assert error.known_as.name == "CARD_DECLINED"


# Languages (RFC 4647, 3.4)

WORDS = {
    "de": Words("Abgelehnt", "Nein.", "Zahlen."),
    "pt-BR": Words("Recusado", "Não.", "Pague."),
    "zh-Hant": Words("拒絕", "不。", ""),
    "fr": Words("Refusé", "", ""),
}
MANY = Entry(name="A", domain="d", words=ENTRY.words, language="en", localized=WORDS)


@pytest.mark.parametrize(
    ("accepted", "language", "title", "action"),
    [
        (None, "", "Declined", "Pay."),
        ("", "", "Declined", "Pay."),
        ("de", "de", "Abgelehnt", "Zahlen."),
        ("DE-ch", "de", "Abgelehnt", "Zahlen."),
        ("de-CH-1996", "de", "Abgelehnt", "Zahlen."),
        ("de-x-private", "de", "Abgelehnt", "Zahlen."),
        ("pt-br", "pt-BR", "Recusado", "Pague."),
        ("pt", "", "Declined", "Pay."),
        ("zh-Hant-TW", "zh-Hant", "拒絕", "Pay."),
        ("zh-Hans", "", "Declined", "Pay."),
        ("en-GB, de;q=0.5", "en", "Declined", "Pay."),
        ("es, de;q=0.5, en;q=0.9", "en", "Declined", "Pay."),
        ("es, de;q=0.9, en;q=0.5", "de", "Abgelehnt", "Zahlen."),
        ("es, it", "", "Declined", "Pay."),
        ("*", "", "Declined", "Pay."),
        ("fr", "", "Refusé", "Pay."),
    ],
)
def test_words_are_those_of_the_first_language_that_there_is(
    accepted: str | None, language: str, title: str, action: str
) -> None:
    known = named(rule(MANY, codes=UNAVAILABLE), answered(503), accepted).known_as
    assert known is not None
    assert (known.language, known.words.title, known.words.action) == (language, title, action)


def test_only_the_text_of_accept_language_is_read() -> None:
    metadata = (("accept", "de"), ("accept-language", b"de"), ("accept-language", "de"))
    error = answered(503)
    ErrorNames([rule(MANY, codes=UNAVAILABLE)])(new_call(FakeClock(), metadata=metadata), error)
    assert error.known_as is not None
    assert error.known_as.language == "de"


def test_a_single_letter_goes_with_what_it_introduces() -> None:
    localized = {"de": Words("Nein"), "de-x": Words("Nee")}
    entry = Entry(name="A", domain="d", localized=localized)
    known = named(rule(entry, codes=UNAVAILABLE), answered(503), "de-x-private").known_as
    assert known is not None
    assert known.words.title == "Nein"


def test_no_more_than_the_beginning_of_a_long_header_is_read() -> None:
    for blanks, language in ((10, "de"), (300, "")):
        accepted = f"es,{' ' * blanks}de"
        known = named(rule(MANY, codes=UNAVAILABLE), answered(503), accepted).known_as
        assert known is not None
        assert known.language == language


def test_several_fields_of_accept_language_are_one_list() -> None:
    metadata = (("accept-language", "es, de;q=0.5"), ("accept-language", "pt-BR;q=0.9"))
    error = answered(503)
    ErrorNames([rule(MANY, codes=UNAVAILABLE)])(new_call(FakeClock(), metadata=metadata), error)
    assert error.known_as is not None
    assert error.known_as.language == "pt-BR"


@pytest.mark.parametrize(
    ("accepted", "found"),
    [
        ("de", ("de",)),
        ("de, en", ("de", "en")),
        ("de;q=0.5, en", ("en", "de")),
        ("de;q=0.5,en;q=0.5", ("de", "en")),
        ("de; q=0.5 , en ;q=0.6", ("en", "de")),
        ("de;Q=0.5, en", ("en", "de")),
        ("de;q=0", ()),
        ("de;q=2", ()),
        ("de;q=nan", ()),
        ("de;q=", ()),
        ("de;level=1", ()),
        ("*, de;q=0.1", ("de",)),
        ("d_e, <x>, de", ("de",)),
        (",,;", ()),
    ],
)
def test_ranges_are_sorted_by_weight_and_what_is_none_is_left_out(accepted, found) -> None:
    assert ranges(accepted) == found


def test_no_more_than_sixteen_ranges_are_looked_at() -> None:
    assert len(ranges(",".join(f"aa-{i}" for i in range(100)))) == 16


def test_a_long_header_is_not_kept() -> None:
    ranges.cache_clear()
    for _ in range(2):
        named(rule(MANY, codes=UNAVAILABLE), answered(503), "de," + "x" * 10_000)
    assert ranges.cache_info().hits == 1
    assert ranges.cache_info().maxsize == 256


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        (Reason.DEADLINE_EXCEEDED, "Allow more time."),
        (Reason.DRAINING, "Tell the owner of the service."),
        (Reason.UNAUTHENTICATED, ""),
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_who_should_not_come_back_is_not_told_to_try_again(
    reason: Reason, action: str, final: bool
) -> None:
    error = CallError(Code.UNAVAILABLE, reason, "x", transient=True)
    given = Entry(name="A", domain="shop.v1", should_retry=not final)
    named(rule(given, reasons=frozenset((reason,))), error)
    assert error.known_as is not None
    assert error.known_as.words.action == (action if final else "")


def test_an_action_of_the_catalog_stands_whether_to_come_back_or_not() -> None:
    error = CallError(Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "x", transient=True)
    given = Entry(name="A", domain="shop.v1", should_retry=False, words=Words(action="Wait."))
    named(rule(given, reasons=frozenset((Reason.DEADLINE_EXCEEDED,))), error)
    assert error.known_as is not None
    assert error.known_as.words.action == "Wait."
