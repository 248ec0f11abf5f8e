import pytest

from gateway.core.errors import CallError
from gateway.core.status import Code
from gateway.operations.filters import Filter, parse_filter
from gateway.operations.naming import id_of, name_of, new_id
from gateway.operations.path import path_parts
from gateway.state.operations import State

ENDED = tuple(sorted((State.SUCCEEDED, State.FAILED, State.DEAD, State.CANCELLED)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Filter()),
        ("  ", Filter()),
        ("done = true", Filter(states=ENDED)),
        ("done:false", Filter(states=(State.RUNNING, State.WAITING))),
        ("state=DEAD", Filter(states=(State.DEAD,))),
        ("state = dead", Filter(states=(State.DEAD,))),
        ('method = "a.B/C"', Filter("a.B/C")),
        ("method = a.B/C AND done = true", Filter("a.B/C", ENDED)),
        ("done = true AND state = FAILED", Filter(states=(State.FAILED,))),
        ("method = 'a.B/C'", Filter("a.B/C")),
    ],
)
def test_filters(text: str, found: Filter) -> None:
    assert parse_filter(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "done",
        "done =",
        "= true",
        "done = yes",
        "state = GONE",
        "colour = red",
        "done = true OR done = false",
        "done = true AND",
        "done = true done = false",
        "(done = true)",
        "x" * 2000,
        'method = "a\0b"',
        "method = 'work.v1.Works/Pr\u00efnt'",
    ],
)
def test_what_cannot_be_read_is_told_with_the_field(text: str) -> None:
    with pytest.raises(CallError) as refused:
        parse_filter(text)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert [violation.field for violation in refused.value.violations] == ["filter"]


def test_names_lead_to_ids_and_back() -> None:
    operation = new_id()
    assert id_of(name_of(operation)) == operation
    assert new_id() != operation
    for wrong in ("", "operations/", f"operation/{operation}", operation, f"operations/{'1' * 26}"):
        assert id_of(wrong) is None


def test_paths_are_literals_and_words() -> None:
    assert path_parts("/jobs/{job.id}/status") == ("/jobs/", "job.id", "/status")
    assert path_parts("/jobs") == ("/jobs",)
    for wrong in ("jobs", "/jobs/{", "/jobs/{}", "/jobs/{a b}", "/jö", "/a b", "/{a..b}"):
        with pytest.raises(ValueError, match=r"."):
            path_parts(wrong)
