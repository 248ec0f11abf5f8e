"""Shared answers and calls made once, from policies: options, keys, mistakes."""

from types import SimpleNamespace

import pytest

from gateway.config.resolve import Resolved
from gateway.config.sharing import (
    cache_options,
    cached_doubts,
    coalescing_options,
    deduplication_options,
    invalidation_tags,
    keeps_answers,
    keeps_records,
)
from gateway.core.errors import CallError
from gateway.core.identity import Identity
from gateway.interceptors.deduplicate import InFlight, OnUnknown
from gateway.transcode.canonical import Canonical

from .conftest import Given, get, schema_of

PURE = "option idempotency_level = NO_SIDE_EFFECTS;"
PROTOS = (
    "service Shop {\n"
    + get("Read", PURE).replace("(Item) returns (Item)", "(Ask) returns (Item)")
    + "rpc Pay(Ask) returns (Item) "
    '{ option (google.api.http) = {post: "/v1/pay" body: "*"}; }\n'
    + get("Watch", PURE, returns="stream Item")
    + "}\n"
    "enum Status { STATUS_UNSPECIFIED = 0; OPEN = 1; DONE = 2; }\n"
    "message Ask { string id = 1; Status status = 2; bool deep = 3; int64 count = 4; "
    "repeated string names = 5; Item item = 6; }\n"
)
PAY, READ, WATCH = "Pay", "Read", "Watch"
API_KEYS = {"x-key"}


def served(given: Given, **methods: str) -> Resolved:
    return given.served(PROTOS, yaml_of(**methods))


def yaml_of(**methods: str) -> str:
    lines = "".join(f"      {name}: {{{policy}}}\n" for name, policy in methods.items())
    return f"services:\n  shop.v1.Shop:\n    methods:\n{lines}"


def method(resolved: Resolved, name: str):
    return next(one for one in resolved.methods if one.method.name == name)


def call_of(identity: str, metadata=(), key_path: str = "", **fields):
    """Return what is read of a decoded call."""
    schema = schema_of(PROTOS)
    service = next(iter(schema.services()))
    request = schema.new_message(service.methods_by_name[READ].input_type)(**fields)
    who = Identity(identity, "keys") if identity else None
    return SimpleNamespace(message=request, identity=who, metadata=metadata, key_path=key_path)


def options_of(resolved: Resolved, name: str):
    """Return cache, coalescing and deduplication of a method, as the wiring asks for them."""
    one = method(resolved, name)
    said = (one.policy, one.origins)
    full = one.method.full_name
    return (
        cache_options(one.policy, full, one.descriptor.input_type, API_KEYS, set()),
        coalescing_options(*said, full, API_KEYS, set()),
        deduplication_options(
            *said, full, API_KEYS, Canonical(), idempotent=one.idempotency[0], unary=True
        ),
    )


# What is off, and what is built in


def test_nothing_is_shared_unless_it_is_said_and_keys_count_where_calls_have_effects(given):
    resolved = served(given)
    assert options_of(resolved, READ) == (None, None, None)
    cache, coalescing, once = options_of(resolved, PAY)
    assert cache is None
    assert coalescing is None
    assert once.place == "the metadata 'idempotency-key'"
    assert once.options.header == "idempotency-key"
    assert once.options.in_flight is InFlight.WAIT
    assert once.options.on_unknown is OnUnknown.HOLD
    assert not once.options.required
    assert once.options.window_s == 0
    policies = [(one.policy, one.origins) for one in resolved.methods]
    assert not keeps_answers(policy for policy, _ in policies)
    assert not keeps_records(policies)


@pytest.mark.parametrize(
    ("name", "policy", "answers", "records"),
    [
        (READ, "cache: {ttl: 5s}", True, False),
        (READ, "cache: {ttl: 5s, disabled: true}", False, False),
        (READ, "coalescing: {after_write: [a]}", True, False),
        (READ, "coalescing: {window: 1s}", False, False),
        (PAY, "invalidation: {tags: [a]}", True, False),
        (PAY, "invalidation: {tags: [a], disabled: true}", False, False),
        (PAY, "deduplication: {required: true}", False, True),
        (PAY, "deduplication: {required: true, disabled: true}", False, False),
    ],
)
def test_stores_are_made_for_what_needs_them(given, name, policy, answers, records):
    policies = [(one.policy, one.origins) for one in served(given, **{name: policy}).methods]
    assert keeps_answers(policy for policy, _ in policies) is answers
    assert keeps_records(policies) is records


# Keys of shared answers


def test_callers_share_an_answer_only_where_the_method_says_so(given):
    own, _, _ = options_of(served(given, Read="cache: {ttl: 5s}"), READ)
    shared, _, _ = options_of(served(given, Read="cache: {ttl: 5s, shared: true}"), READ)
    ann, bob = call_of("ann", id="1"), call_of("bob", id="1")
    assert own.key_of(ann) == own.key_of(call_of("ann", id="1"))
    assert own.key_of(ann) != own.key_of(bob)
    assert own.key_of(ann) != own.key_of(call_of("ann", id="2"))
    assert shared.key_of(ann) == shared.key_of(bob)


def test_a_forwarded_credential_counts_unless_the_answer_is_for_all(given):
    forwarded = "headers: {forward_request: [authorization, x-tenant, x-key, traceparent]}"
    own, _, _ = options_of(served(given, Read=f"cache: {{ttl: 5s}}, {forwarded}"), READ)
    shared, _, _ = options_of(
        served(given, Read=f"cache: {{ttl: 5s, shared: true}}, {forwarded}"), READ
    )
    plain = call_of("", id="1")
    for key, of_own, of_shared in (
        ("authorization", True, False),
        ("x-key", True, False),
        ("x-tenant", True, True),
        ("traceparent", False, False),
        ("x-other", False, False),
    ):
        told = call_of("", [(key, "v")], id="1")
        assert (own.key_of(told) != own.key_of(plain)) is of_own, key
        assert (shared.key_of(told) != shared.key_of(plain)) is of_shared, key


def test_vary_and_ignored_fields(given):
    found, _, _ = options_of(
        served(given, Read="cache: {ttl: 5s, vary: [X-Lang], ignore_fields: [item.name]}"), READ
    )
    one = call_of("", [("x-lang", "de")], id="1", item={"id": "a", "name": "x"})
    other = call_of("", [("x-lang", "de")], id="1", item={"id": "a", "name": "y"})
    french = call_of("", [("x-lang", "fr")], id="1", item={"id": "a", "name": "x"})
    assert found.key_of(one) == found.key_of(other)
    assert found.key_of(one) != found.key_of(french)


@pytest.mark.parametrize(
    ("by", "fields", "ttl_s"),
    [
        ("ttl_field: status, ttl_by: {OPEN: 1s}", {"status": "OPEN"}, 1),
        ("ttl_field: status, ttl_by: {OPEN: 1s}", {"status": "DONE"}, 9),
        ("ttl_field: deep, ttl_by: {'true': 2s}", {"deep": True}, 2),
        ("ttl_field: deep, ttl_by: {'true': 2s}", {}, 9),
        ("ttl_field: item.id, ttl_by: {a: 3s}", {"item": {"id": "a"}}, 3),
        ("ttl_field: item.id, ttl_by: {a: 3s}", {}, 9),
    ],
)
def test_how_long_an_answer_is_fresh_may_hang_on_a_field(given, by, fields, ttl_s):
    found, _, _ = options_of(served(given, Read=f"cache: {{ttl: 9s, {by}}}"), READ)
    assert found.ttl_of(call_of("", **fields)) == ttl_s


def test_tags_hold_values_that_cannot_look_like_other_tags(given):
    resolved = served(given, Pay="invalidation: {tags: ['all', 'item:{id}:{item.name}']}")
    tags = invalidation_tags(method(resolved, PAY).policy)
    assert tags(call_of("", id="a:b", item={"name": "ü/"})) == ("all", "item:a%3Ab:%C3%BC%2F")
    assert tags(call_of("", id="a", item={"name": "b"})) == ("all", "item:a:b")


# Keys of calls that are made once


def key_of(given, policy: str = ""):
    _, _, once = options_of(served(given, Pay=policy), PAY)
    return once.key_of


def test_a_key_is_of_its_caller_method_and_part(given):
    read = key_of(given)
    given_key = [("idempotency-key", "k1")]
    ann = read(call_of("ann", given_key))
    assert ann.header == "k1"
    assert not ann.derived
    assert read(call_of("ann", [("idempotency-key", '"k1"')])) == ann
    assert read(call_of("ann", given_key, id="other")).record == ann.record
    assert read(call_of("bob", given_key)).record != ann.record
    assert read(call_of("ann", [("idempotency-key", "k2")])).record != ann.record
    part = read(call_of("ann", given_key, key_path="/pay"))
    assert part.record != ann.record
    assert part.header not in ("", "k1")
    assert read(call_of("ann")) is None


def test_callers_that_no_provider_knows_are_told_apart_by_what_they_send(given):
    read = key_of(given)
    keys = {
        read(call_of("", [("idempotency-key", "k"), *more])).record
        for more in (
            [],
            [("authorization", "a")],
            [("authorization", "b")],
            [("x-key", "a")],
            [("x-other", "a")],  # says nothing of who calls
        )
    }
    assert len(keys) == 4


@pytest.mark.parametrize("value", ["", " ", '""', "k" * 256, "schlüssel", "a\tb"])
def test_what_is_no_key_is_refused_and_not_left_out(given, value):
    with pytest.raises(CallError, match="idempotency-key"):
        key_of(given)(call_of("ann", [("idempotency-key", value)]))


def test_two_keys_are_none(given):
    with pytest.raises(CallError, match="twice"):
        key_of(given)(call_of("ann", [("idempotency-key", "a"), ("idempotency-key", "a")]))


def test_a_key_may_be_a_field(given):
    read = key_of(given, "deduplication: {field: item.id}")
    assert read(call_of("ann", item={"id": "k1"})).header == "k1"
    assert read(call_of("ann", item={"id": "schlüssel"})).header.isascii()
    assert read(call_of("ann")) is None
    with pytest.raises(CallError, match=r"item\.id"):
        read(call_of("ann", item={"id": "k" * 256}))


def test_within_a_window_equal_calls_are_one_without_a_key(given):
    read = key_of(given, "deduplication: {window: 60s, fields: [id, item.id]}")
    one = read(call_of("ann", id="1", item={"id": "a", "name": "x"}))
    assert one.derived
    assert one.header == ""
    assert read(call_of("ann", id="1", item={"id": "a", "name": "y"})) == one
    assert read(call_of("ann", id="1", item={"id": "b"})) != one
    assert read(call_of("bob", id="1", item={"id": "a"})) != one
    across = key_of(given, "deduplication: {window: 60s, fields: [id], across_callers: true}")
    assert across(call_of("ann", id="1")) == across(call_of("bob", id="1"))


# Mistakes


@pytest.mark.parametrize(
    ("name", "policy", "told"),
    [
        (PAY, "cache: {ttl: 5s}", "cache: the method has side effects"),
        (PAY, "coalescing: {window: 1s}", "coalescing: the method has side effects"),
        (WATCH, "cache: {ttl: 5s}", "cache: the method streams"),
        (READ, "cache: {ttl: 32d}", "cache.ttl"),
        (READ, "cache: {ttl: 5184001s}", "cache.ttl: at most"),
        (READ, "cache: {ttl: 5s, tags: ['a:{nope}']}", "cache.tags[0]: "),
        (READ, "cache: {ttl: 5s, tags: ['a:{names}']}", "cache.tags[0]: "),
        (READ, "cache: {ttl: 5s, tags: ['a*']}", "cache.tags[0]: is words and {field}"),
        (READ, "cache: {ttl: 5s, tags: ['{']}", "cache.tags[0]: is words and {field}"),
        (READ, "cache: {ttl: 5s, vary: ['a b']}", "cache.vary[0]: "),
        (READ, "cache: {ttl: 5s, ignore_fields: [nope]}", "cache.ignore_fields[0]: 'nope'"),
        (READ, "cache: {ttl: 5s, ignore_fields: [id.x]}", "cache.ignore_fields[0]: 'id.x'"),
        (
            READ,
            "cache: {ttl: 5s, shared: true}, headers: {forward_response: [Set-Cookie]}",
            "headers.forward_response[0]: one caller's cookies",
        ),
        (
            READ,
            "coalescing: {shared: true}, headers: {response_fields: {set-cookie: id}}",
            "headers.response_fields.set-cookie: one caller's cookies",
        ),
        (READ, "cache: {ttl_by: {OPEN: 1s}}", "cache.ttl_by: cache.ttl_field does not say"),
        (READ, "cache: {ttl: 5s, ttl_field: nope}", "cache.ttl_field: "),
        (READ, "cache: {ttl: 5s, ttl_field: count}", "cache.ttl_field: 'count' must be an enum"),
        (
            READ,
            "cache: {ttl: 5s, ttl_field: status, ttl_by: {OPNE: 1s}}",
            "cache.ttl_by.OPNE: 'status' is one of DONE, OPEN, STATUS_UNSPECIFIED",
        ),
        (READ, "cache: {ttl: 5s, ttl_field: deep, ttl_by: {'yes': 1s}}", "is one of false, true"),
        (READ, "coalescing: {window: 61s}", "coalescing.window: at most 60s"),
        (PAY, "invalidation: {tags: ['{nope}']}", "invalidation.tags[0]: "),
        (PAY, "deduplication: {metadata: 'a b'}", "deduplication.metadata: "),
        (PAY, "deduplication: {metadata: ''}", "deduplication.metadata: a key of metadata"),
        (PAY, "deduplication: {field: nope}", "deduplication.field: "),
        (PAY, "deduplication: {retention: 0.5s}", "deduplication.retention: must be 1s to"),
        (PAY, "deduplication: {max_completion: 0.5s}", "deduplication.max_completion: must be"),
        (PAY, "deduplication: {fields: [id]}", "deduplication.fields: are for calls without"),
        (PAY, "deduplication: {window: 1s, fields: [nope]}", "deduplication.fields[0]: 'nope'"),
        (PAY, "deduplication: {window: 1s, required: true}", "deduplication.required: every"),
        (PAY, "deduplication: {on_unknown: LOOKUP}", "LOOKUP needs deduplication.lookup.method"),
        (PAY, "deduplication: {lookup: {method: Read}}", "deduplication.lookup: is for"),
        (
            PAY,
            "deduplication: {on_unknown: RESEND, header: ''}",
            "deduplication.header: the upstream is sent no key",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_at_its_line(given, name, policy, told):
    lines = given.mistakes(PROTOS, yaml_of(**{name: policy}))
    assert len(lines) == 1, lines
    (line,) = lines
    assert told in line
    assert "seawall.yaml:4" in line


def test_what_a_service_says_of_reads_leaves_its_writes_alone(given):
    resolved = given.served(
        PROTOS,
        "services:\n  shop.v1.Shop:\n    policy: {cache: {ttl: 5s}, coalescing: {window: 1s}}\n",
    )
    assert options_of(resolved, READ)[0] is not None
    assert not [problem for problem in resolved.warnings if "cache" in str(problem)]


@pytest.mark.parametrize(
    ("policy", "doubt"),
    [
        ("cache: {tags: [a]}", "cache.tags"),
        ("cache: {shared: true}", "cache.shared"),
        ("cache: {ttl: 5s, shared: true}", ""),
        ("cache: {tags: [a], disabled: true}", ""),
    ],
)
def test_doubts_of_caches(given, policy, doubt):
    told = list(cached_doubts(method(served(given, Read=policy), READ).policy))
    assert [path for path, _ in told] == ([doubt] if doubt else [])
