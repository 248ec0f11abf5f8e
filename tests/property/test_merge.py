"""For any policies: the most specific level that sets a field wins, however they are stacked."""

from typing import Any

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.merge import Level, Merger, merge

_DURATIONS = st.integers(0, 10_000).map(lambda ms: f"{ms // 1000}.{ms % 1000:03d}s")
_CODES = st.sampled_from(("ABORTED", "NOT_FOUND", "UNAVAILABLE"))


def _mapping(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _policies(*, disabled: bool) -> st.SearchStrategy[MethodPolicy]:
    retry = {
        "max_attempts": st.integers(1, 20),
        "initial_backoff": _DURATIONS,
        "backoff_multiplier": st.floats(1, 100),
        "jitter": st.sampled_from(("FULL", "EQUAL", "NONE")),
        "retryable_http_statuses": st.lists(st.integers(400, 599), min_size=1, max_size=3),
        **({"disabled": st.booleans()} if disabled else {}),
    }
    plain = _mapping(
        upstream=st.sampled_from(("a", "b")),
        idempotency=st.sampled_from(("IDEMPOTENT", "NOT_IDEMPOTENT")),
        deadline=_mapping(default=_DURATIONS, maximum=_DURATIONS, margin=_DURATIONS),
        retry=_mapping(**retry),
        errors=_mapping(
            status_codes=st.dictionaries(
                st.integers(300, 599).map(str), _CODES, min_size=1, max_size=3
            )
        ),
        sizes=_mapping(max_request_bytes=st.integers(1, 2**31 - 1)),
    )
    return plain.map(lambda fields: json_format.ParseDict(fields, MethodPolicy()))


def _stacks(*, disabled: bool) -> st.SearchStrategy[list[Level]]:
    policies = st.lists(_policies(disabled=disabled), min_size=1, max_size=6)
    return policies.map(
        lambda said: [Level(f"level {i}", "", policy) for i, policy in enumerate(said)]
    )


def _leaves(message: Any, at: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        path = f"{at}{field.name}"
        if field.message_type is None or field.is_repeated:
            is_map = hasattr(value, "items")
            found[path] = dict(value) if is_map else list(value) if field.is_repeated else value
        elif field.message_type.full_name == "google.protobuf.Duration":
            found[path] = (value.seconds, value.nanos)
        else:
            found |= _leaves(value, f"{path}.")
    return found


def _of_fields(origins: dict[str, str]) -> dict[str, str]:
    """Return the origins of fields: those of mechanisms have a dot behind their paths."""
    return {path: at for path, at in origins.items() if not path.endswith(".")}


@settings(max_examples=100, deadline=None)
@given(_stacks(disabled=True))
def test_a_mechanism_without_a_word_is_spoken_of_until_a_level_turns_it_off(
    levels: list[Level],
) -> None:
    _, origins = merge(levels)
    words = [level for level in levels if level.message.HasField("retry")]
    turned_off = [i for i, level in enumerate(words) if level.message.retry.disabled]
    since = words[turned_off[-1] + 1 :] if turned_off else words
    expected = [level.name for level in since if not level.message.retry.ListFields()]
    assert origins.get("retry.") == (expected[-1] if expected else None)


@settings(max_examples=100, deadline=None)
@given(_stacks(disabled=False))
def test_the_most_specific_level_that_sets_a_field_wins(levels: list[Level]) -> None:
    expected: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for level in levels:
        said = _leaves(level.message)
        expected |= said
        origins |= dict.fromkeys(said, level.name)
    merged, from_ = merge(levels)
    assert _leaves(merged) == expected
    assert _of_fields(from_) == origins


@settings(max_examples=100, deadline=None)
@given(_stacks(disabled=False), st.data())
def test_merging_is_associative(levels: list[Level], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(levels) - 1))
    inner = Level("inner", "", merge(levels[cut:])[0])
    assert merge([*levels[:cut], inner])[0] == merge(levels)[0]


@settings(max_examples=100, deadline=None)
@given(_stacks(disabled=True))
def test_origins_name_exactly_the_fields_that_are_set(levels: list[Level]) -> None:
    merged, origins = merge(levels)
    assert set(_leaves(merged)) == set(_of_fields(origins))


@settings(max_examples=100, deadline=None)
@given(_stacks(disabled=True))
def test_every_value_is_what_its_origin_says(levels: list[Level]) -> None:
    merged, origins = merge(levels)
    said = {level.name: _leaves(level.message) for level in levels}
    for path, value in _leaves(merged).items():
        assert said[origins[path]][path] == value


@settings(max_examples=100, deadline=None)
@given(_stacks(disabled=True))
def test_a_policy_is_disabled_exactly_where_its_last_word_says_so(levels: list[Level]) -> None:
    words = [level.message.retry for level in levels if level.message.HasField("retry")]
    merged, _ = merge(levels)
    assert merged.retry.disabled == (bool(words) and words[-1].disabled)
    if merged.retry.disabled:
        assert set(_leaves(merged.retry)) == {"disabled"}


@settings(max_examples=50, deadline=None)
@given(_stacks(disabled=True), st.data())
def test_a_shared_beginning_changes_nothing(levels: list[Level], data: st.DataObject) -> None:
    merger = Merger()
    cuts = data.draw(st.lists(st.integers(1, len(levels)), max_size=4))
    for cut in cuts:
        merger.merge(tuple(levels[:cut]))
    assert merger.merge(tuple(levels)) == merge(levels)
