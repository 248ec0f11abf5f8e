"""Whatever callers ask for and upstreams answer: failures have a name, and fit."""

from typing import Any

from fakes.clock import FakeClock
from google.rpc import status_pb2
from hypothesis import given
from hypothesis import strategies as st
from support.calls import new_call

from gateway.core.catalog import Entry, ErrorNames, ErrorRule, ranges
from gateway.core.errors import CallError, KnownReason, Reason, Violation, Words
from gateway.core.status import Code
from gateway.ingress.status import MAX_DETAILS, to_trailers

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=700)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=10,
)
WORDS = st.builds(Words, TEXT, TEXT, TEXT)


@given(st.text(max_size=300))
def test_any_accept_language_is_a_bounded_list_of_ranges(accepted: str) -> None:
    found = ranges(accepted)
    assert len(found) <= 16
    for tag in found:
        assert tag
        assert set(tag) <= set(accepted.lower())


@given(st.text("de-CHx1;q=0.5, *", max_size=30), JSON)
def test_every_failure_that_fits_has_a_name(accepted: str, body: Any) -> None:
    localized = {"de": Words("Nein", "Nein."), "de-CH": Words("Na", "Na.")}
    entry = Entry(name="A", domain="d", words=Words("No", "No."), localized=localized)
    rules = [
        ErrorRule(entry=entry, body=((("a", "0"), "x"),)),
        ErrorRule(entry=entry, codes=frozenset((Code.ABORTED,))),
    ]
    error = CallError(Code.ABORTED, Reason.UPSTREAM_STATUS, "x", body=body)
    call = new_call(FakeClock(), metadata=(("accept-language", accepted),))
    ErrorNames(rules)(call, error)
    assert error.known_as is not None
    assert error.body is None
    tag = error.known_as.language
    assert error.known_as.words.title == {"": "No", "en": "No", "de": "Nein", "de-CH": "Na"}[tag]


@given(
    message=TEXT,
    words=WORDS,
    violations=st.lists(st.builds(Violation, TEXT, TEXT), max_size=30),
    exhausted=st.lists(st.builds(Violation, TEXT, TEXT), max_size=5),
    retry_after_s=st.none() | st.floats(0, 1e9),
)
def test_whatever_is_told_fits_and_is_whole(
    message: str,
    words: Words,
    violations: list[Violation],
    exhausted: list[Violation],
    retry_after_s: float | None,
) -> None:
    error = CallError(Code.ABORTED, Reason.UPSTREAM_STATUS, message, retry_after_s=retry_after_s)
    error.violations, error.exhausted = violations, exhausted
    error.known_as = KnownReason(name="A" * 63, domain="d" * 128, words=words, language="de")
    _, told, trailers = to_trailers(error, 3)
    value = trailers[0][1]
    assert isinstance(value, bytes)
    assert len(value) <= MAX_DETAILS
    status = status_pb2.Status.FromString(value)
    assert status.message == told
    kinds = [packed.type_url.rpartition(".")[2] for packed in status.details]
    assert kinds[0] == "ErrorInfo"
    assert kinds[-1] == "UserMessage"
    assert ("RetryInfo" in kinds) is (retry_after_s is not None)
