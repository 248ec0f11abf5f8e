"""Limits of policies: what is counted where, by what, and what is no limit."""

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config import builtin
from gateway.config.checks import method_mistakes
from gateway.config.limits.by import part_of
from gateway.config.limits.declared import DeclaredLimit, Stage, declared_limits, stage
from gateway.config.limits.merged import effective_limit_mistakes
from gateway.config.limits.mistakes import rate_limit_mistakes
from gateway.config.merge import Level, merge
from gateway.interceptors.rate_limit import Part, Source
from gateway.state.limits import Algorithm, Limit, StoreFailure

from .conftest import get

LOGIN = "panel.v1.AuthService/Login"
SIGNUP = "panel.v1.AuthService/Signup"
REQUEST = FieldDescriptorProto.DESCRIPTOR
"""A message with a field of each kind."""


def policy_of(limits):
    return json_format.ParseDict({"rate_limits": limits}, MethodPolicy())


def merged(**levels):
    """Return policy and origins of what levels say of `rate_limits`."""
    stack = [Level("built-in", "", builtin.METHOD)]
    stack += [Level(name, f"{name}.yaml:1", policy_of(limits)) for name, limits in levels.items()]
    return merge(stack)


def declared(of=LOGIN, /, **levels):
    return declared_limits(*merged(**levels), of, "panel")


def test_a_limit_has_the_built_in_values_where_nothing_else_is_said():
    (found,) = declared(method={"logins": {"requests": 5}})
    assert found == DeclaredLimit(limit=Limit(name=f"{LOGIN}:logins", requests=5), by=())
    assert found.limit.per_s == 60
    assert found.limit.algorithm is Algorithm.SLIDING_WINDOW
    assert found.limit.on_store_failure is StoreFailure.LOCAL_SHARE
    assert not found.limit.shadow


def test_every_value_reaches_the_limit():
    (found,) = declared(
        method={
            "logins": {
                "requests": 5,
                "per": "900s",
                "burst": 2,
                "algorithm": "GCRA",
                "by": ["method", "caller", "peer", "metadata:X-Tenant", "field:user.email"],
                "shadow": True,
                "on_store_failure": "CLOSED",
                "local_share": 0.25,
                "max_keys": 7,
            }
        }
    )
    assert found == DeclaredLimit(
        limit=Limit(
            name=f"{LOGIN}:logins",
            requests=5,
            per_s=900,
            burst=2,
            algorithm=Algorithm.GCRA,
            shadow=True,
            on_store_failure=StoreFailure.CLOSED,
            local_share=0.25,
            max_keys=7,
        ),
        by=(
            Part(Source.METHOD),
            Part(Source.CALLER),
            Part(Source.PEER),
            Part(Source.METADATA, "x-tenant"),
            Part(Source.FIELD, "user.email"),
        ),
    )


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        ({"defaults": {"total": {"requests": 5}}}, "defaults:total"),
        ({"upstream": {"total": {"requests": 5}}}, "upstream=panel:total"),
        ({"service": {"total": {"requests": 5}}}, "panel.v1.AuthService:total"),
        ({"method": {"total": {"requests": 5}}}, f"{LOGIN}:total"),
        # Whoever says last of a limit counts it.
        (
            {"defaults": {"total": {"requests": 5}}, "service": {"total": {"per": "9s"}}},
            "panel.v1.AuthService:total",
        ),
        (
            {"service": {"total": {"requests": 5}}, "method": {"other": {"requests": 1}}},
            "panel.v1.AuthService:total",
        ),
        # A name that begins like another one's.
        (
            {"defaults": {"total": {"requests": 5}}, "method": {"total-2": {"requests": 1}}},
            "defaults:total",
        ),
    ],
)
def test_a_limit_counts_where_the_most_specific_level_says_it(levels, name):
    assert name in [found.limit.name for found in declared(**levels)]


def test_methods_that_have_a_limit_from_one_level_share_one_object_of_it():
    level = {"service": {"total": {"requests": 5}}}
    (of_login,), (of_signup,) = declared(LOGIN, **level), declared(SIGNUP, **level)
    assert of_login.limit is of_signup.limit


def test_a_limit_that_is_off_is_none_and_says_nothing_of_the_others():
    found = declared(
        defaults={"total": {"requests": 5}, "burst": {"requests": 9}},
        method={"total": {"disabled": True}},
    )
    assert [one.limit.name for one in found] == ["defaults:burst"]
    assert declared() == ()


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ([["method"], ["peer", "metadata:x-tenant"]], Stage.ARRIVAL),
        ([[]], Stage.ARRIVAL),
        ([["method"], ["caller"]], Stage.CALLER),
        ([["caller"], ["method", "field:email"]], Stage.MESSAGE),
    ],
)
def test_the_one_decision_stands_where_all_keys_can_be_read(limits, where):
    said = {f"l{i}": {"requests": 1, "by": by} for i, by in enumerate(limits)}
    assert stage(declared(method=said)) is where


def of_level(**limit):
    return list(rate_limit_mistakes(policy_of({"logins": limit})))


def of_merged(**limit):
    policy, _ = merged(method={"logins": limit})
    return list(effective_limit_mistakes(policy, REQUEST))


@pytest.mark.parametrize(
    ("limit", "path", "words"),
    [
        ({"requests": 0}, "requests", ("at least 1", "auth", "disabled: true")),
        ({"requests": 1_000_000_001}, "requests", ("1 to 1000000000",)),
        ({"burst": 0}, "burst", ("1 to",)),
        ({"per": "2678401s"}, "per", ("31 days", "2678401s")),
        ({"per": "0.0001s"}, "per", ("at least 0.001s",)),
        ({"local_share": 0}, "local_share", ("more than 0",)),
        ({"local_share": 1.5}, "local_share", ("at most 1", "1.5")),
        ({"local_share": "NaN"}, "local_share", ("more than 0",)),
        ({"max_keys": 0}, "max_keys", ("1 to 1000000",)),
        ({"max_keys": 1_000_001}, "max_keys", ("1 to 1000000",)),
        ({"by": ["calller"]}, "by[0]", ("did you mean 'caller'",)),
        ({"by": ["Method"]}, "by[0]", ("did you mean 'method'",)),
        ({"by": ["metdata:x-tenant"]}, "by[0]", ("did you mean 'metadata:NAME'",)),
        ({"by": ["ip"]}, "by[0]", ("known: method, caller, peer, metadata:NAME, field:PATH",)),
        ({"by": [""]}, "by[0]", ("known:",)),
        ({"by": ["caller:ann"]}, "by[0]", ("takes no name", "'caller'")),
        ({"by": ["metadata"]}, "by[0]", ("'metadata:NAME'",)),
        ({"by": ["field:"]}, "by[0]", ("'field:PATH'",)),
        ({"by": ["metadata: x"]}, "by[0]", ("'metadata:NAME'",)),
        ({"by": ["peer", "caller", "peer"]}, "by[2]", ("'peer'", "twice")),
        ({"by": ["metadata:x-a", "metadata:X-A"]}, "by[1]", ("twice",)),
        ({"by": ["metadata:Authorization"]}, "by[0]", ("credential", "'caller'")),
        ({"by": ["metadata:x-api-key"]}, "by[0]", ("credential", "'caller'")),
        ({"by": ["field:user.password"]}, "by[0]", ("credential",)),
        ({"by": ["metadata:x-forwarded-for"]}, "by[0]", ("anybody", "'peer'")),
        ({"by": ["metadata:not a name"]}, "by[0]", ("not a header name",)),
        ({"by": [f"metadata:x-{i}" for i in range(9)]}, "by", ("at most 8",)),
    ],
)
def test_what_a_level_may_not_say(limit, path, words):
    ((at, text),) = of_level(**limit)
    assert at == f"rate_limits.logins.{path}"
    for word in words:
        assert word in text


@pytest.mark.parametrize("name", ["a.b", "", "a b", "ä", "x" * 65])
def test_a_name_that_callers_could_not_be_told_is_none(name):
    ((path, text),) = rate_limit_mistakes(policy_of({name: {"requests": 1}}))
    assert path == f"rate_limits.{name}"
    assert "letters" in text


def test_a_time_of_nothing_is_found_by_the_bounds_of_all_durations():
    found = dict(method_mistakes(policy_of({"logins": {"requests": 5, "per": "0s"}})))
    assert "more than 0s" in found["rate_limits.logins.per"]


@pytest.mark.parametrize(
    ("limit", "path", "words"),
    [
        ({"by": ["caller"]}, "requests", ("must be said",)),
        ({"requests": 5, "burst": 2}, "burst", ("GCRA",)),
        ({"requests": 5, "burst": 2, "algorithm": "SLIDING_WINDOW"}, "burst", ("GCRA",)),
        (
            {"requests": 1, "per": "86400s", "burst": 40, "algorithm": "GCRA"},
            "burst",
            ("40 days", "31"),
        ),
        ({"requests": 2_000_000, "per": "1s"}, "requests", ("1000000 calls a second",)),
        ({"requests": 1, "by": ["field:nme"]}, "by[0]", ("no field 'nme'",)),
        ({"requests": 1, "by": ["peer", "field:options"]}, "by[1]", ("is a message",)),
        ({"requests": 1, "by": ["field:name.x"]}, "by[0]", ("is no message",)),
        (
            {"requests": 1, "by": ["field:options.uninterpreted_option"]},
            "by[0]",
            ("is repeated",),
        ),
    ],
)
def test_what_all_levels_together_may_not_come_to(limit, path, words):
    ((at, text),) = of_merged(**limit)
    assert at == f"rate_limits.logins.{path}"
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "limit",
    [
        {"requests": 1},
        {"requests": 1_000_000, "per": "1s", "local_share": 1, "max_keys": 1_000_000},
        {"requests": 100, "per": "2678400s", "burst": 100, "algorithm": "GCRA"},
        {"requests": 5, "per": "900s", "by": ["caller", "method", "field:options.ctype"]},
        {"requests": 5, "by": ["metadata:x-tenant", "metadata:x-region", "peer"]},
    ],
)
def test_what_is_right_is_not_complained_about(limit):
    assert of_level(**limit) == []
    assert of_merged(**limit) == []


def test_nothing_is_asked_of_a_limit_that_is_off():
    assert of_merged(disabled=True) == []


@pytest.mark.parametrize("entry", ["caller", "peer", "method", "metadata:a", "field:a.b"])
def test_an_entry_is_read_as_it_is_written(entry):
    part = part_of(entry)
    assert ":".join(filter(None, (part.source.value, part.name))) == entry


def test_instances_of_levels_never_share_a_name():
    limits = {"total": {"requests": 5}}
    (of_defaults,) = declared_limits(*merged(defaults=limits), LOGIN, "defaults")
    (of_upstream,) = declared_limits(*merged(upstream=limits), LOGIN, "defaults")
    assert of_defaults.limit.name != of_upstream.limit.name


def test_more_limits_than_callers_can_be_told_of_are_refused():
    policy, _ = merged(method={f"l{n}": {"requests": 1} for n in range(16)})
    assert list(effective_limit_mistakes(policy, REQUEST)) == []
    policy, _ = merged(method={f"l{n}": {"requests": 1} for n in range(17)})
    ((path, text),) = effective_limit_mistakes(policy, REQUEST)
    assert path == "rate_limits"
    assert "found 17" in text


def test_a_stream_that_is_one_request_is_not_counted_by_a_field_of_one_message():
    policy, _ = merged(method={"l": {"requests": 1, "by": ["peer", "field:name"]}})
    assert list(effective_limit_mistakes(policy, REQUEST)) == []
    ((path, text),) = effective_limit_mistakes(policy, REQUEST, one_body=True)
    assert path == "rate_limits.l.by[1]"
    assert "one request" in text


def test_metadata_that_carries_callers_keys_is_no_key(given):
    yaml = (
        "identity: {providers: {partners: {api_keys: {metadata: x-partner, keys: "
        f"[{{caller: a, sha256: {'0' * 64}}}]}}}}}}}}\n"
        "defaults:\n  method:\n    breaker: {key_metadata: x-partner}\n"
        "    rate_limits: {total: {requests: 1, by: ['metadata:X-Partner']}}\n"
    )
    found = given.mistakes("service A {\n" + get("Get") + "}", yaml)
    assert [one.partition(": ")[0] for one in found] == ["seawall.yaml:4", "seawall.yaml:5"]
    assert all("identity provider 'partners'" in one for one in found)
