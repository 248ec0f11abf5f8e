"""Every rule at the top of merge.py."""

from typing import Any

from google.protobuf import json_format
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.merge import Level, Merger, merge


def level(name: str, plain: dict[str, Any], *emptied: str, where: str = "") -> Level:
    return Level(
        name, where, json_format.ParseDict(plain, MethodPolicy()), emptied=frozenset(emptied)
    )


BUILTIN = level(
    "built-in",
    {
        "retry": {"max_attempts": 3, "max_backoff": "2s", "retryable_http_statuses": [503, 504]},
        "deadline": {"default": "15s"},
    },
)


def merged(*levels: Level) -> tuple[dict[str, Any], dict[str, str]]:
    message, origins = merge([BUILTIN, *levels])
    return json_format.MessageToDict(message, preserving_proto_field_name=True), origins


def test_a_single_level_is_itself_with_its_origins() -> None:
    message, origins = merge([BUILTIN])
    assert message == BUILTIN.message
    assert origins == {
        "retry.max_attempts": "built-in",
        "retry.max_backoff": "built-in",
        "retry.retryable_http_statuses": "built-in",
        "deadline.default": "built-in",
    }


def test_the_more_specific_level_wins_field_by_field() -> None:
    plain, origins = merged(
        level("defaults", {"retry": {"max_attempts": 5, "max_backoff": "9s"}}, where="a.yaml:3"),
        level("method", {"retry": {"max_attempts": 7}}, where="a.proto:9"),
    )
    assert plain["retry"]["max_attempts"] == 7
    assert plain["retry"]["max_backoff"] == "9s"
    assert origins["retry.max_attempts"] == "method (a.proto:9)"
    assert origins["retry.max_backoff"] == "defaults (a.yaml:3)"
    assert origins["deadline.default"] == "built-in"


def test_a_zero_that_is_said_wins() -> None:
    plain, origins = merged(level("method", {"deadline": {"margin": "0s"}, "upstream": ""}))
    assert plain["deadline"]["margin"] == "0s"
    assert plain["upstream"] == ""
    assert origins["deadline.margin"] == "method"


def test_durations_replace_and_do_not_merge_seconds_with_nanos() -> None:
    plain, _ = merged(
        level("defaults", {"deadline": {"default": "1.5s"}}),
        level("method", {"deadline": {"default": "2s"}}),
    )
    assert plain["deadline"]["default"] == "2s"


def test_repeated_fields_replace() -> None:
    plain, origins = merged(level("service", {"retry": {"retryable_http_statuses": [500]}}))
    assert plain["retry"]["retryable_http_statuses"] == [500]
    assert origins["retry.retryable_http_statuses"] == "service"


def test_maps_replace() -> None:
    plain, origins = merged(
        level("defaults", {"errors": {"status_codes": {409: "ALREADY_EXISTS", 410: "ABORTED"}}}),
        level("method", {"errors": {"status_codes": {410: "NOT_FOUND"}}}),
    )
    assert plain["errors"]["status_codes"] == {"410": "NOT_FOUND"}
    assert origins["errors.status_codes"] == "method"


def test_an_emptied_list_or_map_replaces_what_was_said() -> None:
    plain, origins = merged(
        level("defaults", {"errors": {"status_codes": {409: "ABORTED"}}}),
        level("method", {"retry": {}}, "retry.retryable_http_statuses", "errors.status_codes"),
    )
    assert "retryable_http_statuses" not in plain["retry"]
    assert "status_codes" not in plain["errors"]
    assert origins["retry.retryable_http_statuses"] == "method"


def test_a_level_below_an_emptied_list_fills_it_again() -> None:
    plain, _ = merged(
        level("service", {"retry": {}}, "retry.retryable_http_statuses"),
        level("method", {"retry": {"retryable_http_statuses": [502]}}),
    )
    assert plain["retry"]["retryable_http_statuses"] == [502]


def test_disabled_clears_what_more_general_levels_said() -> None:
    plain, origins = merged(
        level("defaults", {"retry": {"max_attempts": 5}}),
        level("method", {"retry": {"disabled": True}}, where="a.yaml:7"),
    )
    assert plain["retry"] == {"disabled": True}
    assert {k: v for k, v in origins.items() if k.startswith("retry")} == {
        "retry.disabled": "method (a.yaml:7)"
    }
    assert plain["deadline"] == {"default": "15s"}


def test_what_stands_beside_disabled_waits() -> None:
    plain, origins = merged(
        level("method", {"retry": {"disabled": True, "max_attempts": 9}}, "retry.jitter")
    )
    assert plain["retry"] == {"disabled": True}
    assert "retry.max_attempts" not in origins
    assert "retry.jitter" not in origins


def test_a_more_specific_level_turns_it_on_again_from_the_built_in_values() -> None:
    plain, origins = merged(
        level("defaults", {"retry": {"max_backoff": "9s"}}),
        level("service", {"retry": {"disabled": True}}),
        level("method", {"retry": {"max_attempts": 4}}),
    )
    assert plain["retry"] == {
        "max_attempts": 4,
        "max_backoff": "2s",
        "retryable_http_statuses": [503, 504],
    }
    assert origins["retry.max_attempts"] == "method"
    assert origins["retry.max_backoff"] == "built-in"
    assert "retry.disabled" not in origins


def test_disabled_false_turns_it_on_again() -> None:
    plain, _ = merged(
        level("service", {"retry": {"disabled": True}}),
        level("method", {"retry": {"disabled": False}}),
    )
    assert plain["retry"]["disabled"] is False
    assert plain["retry"]["max_attempts"] == 3


def test_a_level_that_says_nothing_of_it_leaves_it_disabled() -> None:
    plain, _ = merged(
        level("service", {"retry": {"disabled": True}}),
        level("method", {"deadline": {"default": "1s"}}),
    )
    assert plain["retry"] == {"disabled": True}


def test_levels_and_earlier_results_stay_as_they_were() -> None:
    service = level("service", {"retry": {"disabled": True}, "errors": {"status_codes": {1: "A"}}})
    method = level("method", {"retry": {"max_attempts": 4}, "errors": {"status_codes": {2: "B"}}})
    stack = (BUILTIN, service, method)
    before = [one.message.SerializeToString(deterministic=True) for one in stack]
    merger = Merger()
    short, short_origins = merger.merge(stack[:2])
    short_before = short.SerializeToString(deterministic=True), dict(short_origins)
    merger.merge(stack)
    assert [one.message.SerializeToString(deterministic=True) for one in stack] == before
    assert (short.SerializeToString(deterministic=True), short_origins) == short_before


def test_equal_stacks_share_one_result() -> None:
    merger = Merger()
    defaults = level("defaults", {"upstream": "a"})
    assert merger.merge((BUILTIN, defaults)) is merger.merge((BUILTIN, defaults))


def test_what_is_built_in_as_disabled_begins_from_what_stands_beside_it() -> None:
    builtin = level("built-in", {"retry": {"disabled": True, "max_attempts": 3}})
    message, origins = merge([builtin, level("method", {"retry": {"max_backoff": "1s"}})])
    assert json_format.MessageToDict(message) == {"retry": {"maxAttempts": 3, "maxBackoff": "1s"}}
    assert origins == {"retry.max_attempts": "built-in", "retry.max_backoff": "method"}


def test_an_origin_is_the_field_s_own_place_where_that_is_known() -> None:
    message = json_format.ParseDict({"retry": {"max_attempts": 5}}, MethodPolicy())
    places = {"retry.max_attempts": "a.yaml:9", "errors.status_codes": "a.yaml:12"}
    emptied = frozenset({"errors.status_codes"})
    said = Level("defaults", "a.yaml:3", message, emptied, places.__getitem__)
    _, origins = merged(said)
    assert origins["retry.max_attempts"] == "defaults (a.yaml:9)"
    assert origins["errors.status_codes"] == "defaults (a.yaml:12)"


# Maps whose values are messages


def _limits(name: str, **limits: dict[str, Any]) -> Level:
    return Level(name, "", json_format.ParseDict({"rate_limits": limits}, MethodPolicy()))


_TEMPLATE = Level(
    "built-in",
    "",
    json_format.ParseDict({"rate_limits": {"": {"per": "60s", "shadow": False}}}, MethodPolicy()),
)


def test_a_new_key_begins_from_the_built_in_values() -> None:
    merged, origins = merge([_TEMPLATE, _limits("service", logins={"requests": 5})])
    assert list(merged.rate_limits) == ["logins"]
    assert merged.rate_limits["logins"].per.seconds == 60
    assert origins["rate_limits.logins.per"] == "built-in"
    assert origins["rate_limits.logins.requests"] == "service"


def test_keys_of_other_levels_stay_and_the_same_key_merges_field_by_field() -> None:
    merged, origins = merge(
        [
            _TEMPLATE,
            _limits("service", logins={"requests": 5, "by": ["caller"]}, all={"requests": 100}),
            _limits("method", logins={"requests": 3}),
        ]
    )
    assert sorted(merged.rate_limits) == ["all", "logins"]
    assert merged.rate_limits["logins"].requests == 3
    assert list(merged.rate_limits["logins"].by) == ["caller"]
    assert origins["rate_limits.logins.requests"] == "method"
    assert origins["rate_limits.logins.by"] == "service"


def test_one_key_is_turned_off_and_on_again_from_the_built_in_values() -> None:
    off = _limits("service", logins={"disabled": True})
    levels = [_TEMPLATE, _limits("defaults", logins={"requests": 5, "per": "9s"}), off]
    merged, origins = merge(levels)
    assert merged.rate_limits["logins"].disabled
    assert not merged.rate_limits["logins"].requests
    assert [path for path in origins if "logins" in path] == ["rate_limits.logins.disabled"]
    merged, origins = merge([*levels, _limits("method", logins={"requests": 7})])
    assert not merged.rate_limits["logins"].disabled
    assert merged.rate_limits["logins"].per.seconds == 60
    assert origins["rate_limits.logins.per"] == "built-in"


def test_an_empty_map_takes_all_keys_away() -> None:
    levels = [_TEMPLATE, _limits("service", logins={"requests": 5})]
    taken = Level("method", "", MethodPolicy(), emptied=frozenset({"rate_limits"}))
    merged, _ = merge([*levels, taken])
    assert not merged.rate_limits


def test_an_empty_list_within_a_key_takes_back_what_was_said_of_it() -> None:
    before = _limits("service", logins={"requests": 5, "by": ["caller"]})
    said = json_format.ParseDict({"rate_limits": {"logins": {"requests": 6}}}, MethodPolicy())
    emptied = frozenset({"rate_limits.logins.by", "rate_limits.nobody.by"})
    merged, origins = merge([_TEMPLATE, before, Level("method", "", said, emptied=emptied)])
    assert list(merged.rate_limits["logins"].by) == []
    assert origins["rate_limits.logins.by"] == "method"
    assert list(merged.rate_limits) == ["logins"]


def test_an_empty_list_or_map_within_an_element_is_the_elements_own() -> None:
    said = json_format.ParseDict(
        {"fallback": {"steps": [{"answer": "{}"}]}, "errors": {"rules": [{"reason": "A"}]}},
        MethodPolicy(),
    )
    emptied = frozenset({"fallback.steps[0].request", "errors.rules[0].http_statuses"})
    merged, _ = merge([_TEMPLATE, Level("method", "", said, emptied=emptied)])
    assert merged.fallback.steps[0].answer == "{}"
    assert merged.errors.rules[0].reason == "A"


def test_what_is_named_alone_within_a_mechanism_is_spoken_of() -> None:
    _, origins = merged(level("method", {"operation": {"poll": {}}}, where="a.proto:9"))
    assert origins["operation.poll."] == "method (a.proto:9)"
