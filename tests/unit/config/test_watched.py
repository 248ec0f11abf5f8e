"""Polled streams: compiled, or every mistake told."""

import re
from typing import Any

import pytest
from google.protobuf import message_factory

from gateway.compose.watch import WatchOptions

from .conftest import Given, get

MESSAGES = """
message Ask { string id = 1; string tenant = 2; int64 since = 3; }
message Seen { Item item = 1; string name = 2; int64 number = 3; }
"""
GET = 'method: "shop.v1.A/Get"'


def polled(said: str, *, takes: str = "Item", returns: str = "stream Item", more: str = "") -> str:
    """Return a method without a binding, whose stream is made of another's answers."""
    option = f"option (seawall.policy.v1.method) = {{ polling: {{ {said} }} }};"
    return f"  rpc Watch({takes}) returns ({returns}) {{ {more} {option} }}\n"


def service(*rpcs: str) -> str:
    return MESSAGES + "service A {\n" + "".join(rpcs) + "}\n"


def mistakes(given: Given, *rpcs: str, **more: Any) -> list[str]:
    """Return what is wrong, without file, method and origin."""
    found = given.mistakes(service(*rpcs), **more)
    lines = [line.partition(": shop.v1.A")[2].partition(": ")[2] for line in found]
    return [re.sub(r" \(method \(.*\)\)$", "", line) for line in lines]


def watched(given: Given, *rpcs: str, yaml: str = "") -> WatchOptions:
    options = given.served(service(*rpcs), yaml).compositions["shop.v1.A/Watch"].watch
    assert options is not None
    return options


def test_the_other_method_is_enough(given: Given) -> None:
    options = watched(given, get("Get"), polled(GET))
    assert options.method == "shop.v1.A/Get"
    assert options.request.identity
    assert options.response.identity
    assert (options.interval_s, options.on_change) == (10.0, True)
    assert (options.max_failures, options.max_polls) == (5, 1000)


def test_what_is_said_is_taken(given: Given) -> None:
    said = "interval: { nanos: 100000000 } on_change: false max_failures: 1 max_polls: 2"
    options = watched(given, get("Get"), polled(f"{GET} {said}"))
    assert (options.interval_s, options.on_change) == (0.1, False)
    assert (options.max_failures, options.max_polls) == (1, 2)


def test_questions_and_answers_are_made_field_by_field(given: Given) -> None:
    said = f'{GET} request: {{ key: "id" value: "tenant" }} response: {{ key: "item" value: "" }}'
    rpcs = (get("Get"), polled(said, takes="Ask", returns="stream Seen"))
    options = watched(given, *rpcs)
    ask, seen = (
        message_factory.GetMessageClass(kind)
        for method in given.served(service(*rpcs)).methods
        if method.method.name == "Watch"
        for kind in (method.descriptor.input_type, method.descriptor.output_type)
    )
    item = options.request.make(ask(id="1", tenant="t"))
    assert (item.id, item.name) == ("t", "")
    assert options.response.make(item) == seen(item={"id": "t"})


def test_without_a_word_fields_of_the_same_name_and_type_are_taken(given: Given) -> None:
    options = watched(given, get("Get"), polled(GET, takes="Ask", returns="stream Seen"))
    assert (options.request.fills, options.response.fills) == ({"id"}, {"name"})


@pytest.mark.parametrize("said", [f"{GET} disabled: true", "interval: { seconds: 1 }"])
def test_one_that_is_off_or_names_no_method_is_none(said: str, given: Given) -> None:
    resolved = given.served(service(get("Get"), polled(said)))
    assert resolved.compositions == {}
    assert [problem.text for problem in resolved.left_out] == [
        "shop.v1.A/Watch: carries no google.api.http"
    ]


@pytest.mark.parametrize("said", ["disabled: true", 'method: ""'])
def test_a_file_may_turn_off_what_the_proto_says(said: str, given: Given) -> None:
    yaml = f"services: {{shop.v1.A: {{methods: {{Watch: {{polling: {{{said}}}}}}}}}}}"
    resolved = given.served(service(get("Get"), polled(GET)), yaml)
    assert [one.method.name for one in resolved.methods] == ["Get"]
    assert len(resolved.left_out) == 1


def test_a_file_may_turn_on_what_the_proto_has_turned_off(given: Given) -> None:
    yaml = "services: {shop.v1.A: {methods: {Watch: {polling: {method: shop.v1.A/Get}}}}}"
    options = watched(given, get("Get"), polled("disabled: true"), yaml=yaml)
    assert (options.method, options.interval_s) == ("shop.v1.A/Get", 10.0)


def test_a_method_that_posts_is_asked_where_it_says_that_it_only_reads(given: Given) -> None:
    reads = get("Get", "option idempotency_level = NO_SIDE_EFFECTS;")
    post = reads.replace('get: "/v1/get/{id}"', 'post: "/v1/get" body: "*"')
    assert watched(given, post, polled(GET)).method == "shop.v1.A/Get"


@pytest.mark.parametrize(
    ("rpc", "says"),
    [
        (
            polled(GET, more='option (google.api.http) = { get: "/v1/watch" };'),
            "polling: the method carries google.api.http too; one of the two must go",
        ),
        (
            polled(GET, returns="Item"),
            "polling: is for methods that answer one request with a stream",
        ),
        (
            polled(GET, takes="stream Item"),
            "polling: is for methods that answer one request with a stream",
        ),
        (
            polled(GET, takes="stream Item", returns="Item"),
            "polling: is for methods that answer one request with a stream",
        ),
        (
            polled('method: "shop.v1.A/Gte"'),
            "polling.method: there is no served method 'shop.v1.A/Gte'; did you mean "
            "'shop.v1.A/Get'?",
        ),
        (
            polled('method: "shop.v1.A/Feed"'),
            "polling.method: shop.v1.A/Feed streams; what is called is of one message each way",
        ),
        (
            polled('method: "shop.v1.A/Set"'),
            "polling.method: shop.v1.A/Set must have no side effects: it is asked often",
        ),
        (
            polled('method: "shop.v1.A/Watch"'),
            "polling.method: leads back: shop.v1.A/Watch → shop.v1.A/Watch",
        ),
        (
            polled(f"{GET} interval: {{ nanos: 99000000 }}"),
            "polling.interval: must be 0.1s at least",
        ),
        (polled(f"{GET} interval: {{}}"), "polling.interval: must be more than 0s, found 0s"),
        (polled(f"{GET} max_failures: 0"), "polling.max_failures: must be 1 to 1000, found 0"),
        (polled(f"{GET} max_polls: 0"), "polling.max_polls: must be 1 to 100000, found 0"),
        (
            polled(
                f'{GET} request: {{ key: "idd" value: "id" }} request: {{ key: "id" value: "id" }}'
            ),
            "polling.request.idd: shop.v1.Item has no field 'idd'; did you mean 'id'?",
        ),
        (
            polled(f'{GET} request: {{ key: "id" value: "idd" }}'),
            "polling.request.id: shop.v1.Item has no field 'idd'; did you mean 'id'?",
        ),
        (
            polled(f'{GET} request: {{ key: "id" value: "since" }}', takes="Ask"),
            "polling.request.id: shop.v1.Item.id is string, and shop.v1.Ask.since is int64",
        ),
        (
            polled(f'{GET} request: {{ key: "name" value: "name" }}'),
            "polling.request: nothing fills 'id', which is in the path of shop.v1.A/Get "
            "(/v1/get/{id})",
        ),
        (
            polled(f'{GET} response: {{ key: "nam" value: "name" }}'),
            "polling.response.nam: shop.v1.Item has no field 'nam'; did you mean 'name'?",
        ),
        (
            polled(f'{GET} response: {{ key: "number" value: "id" }}', returns="stream Seen"),
            "polling.response.number: shop.v1.Seen.number is int64, and shop.v1.Item.id is string",
        ),
    ],
)
def test_a_polled_stream_that_cannot_be_is_refused(rpc: str, says: str, given: Given) -> None:
    feed = get("Feed", returns="stream Item")
    change = get("Set").replace('get: "/v1/set/{id}"', 'post: "/v1/set" body: "*"')
    assert mistakes(given, get("Get"), feed, change, rpc) == [says]


def test_every_mistake_is_told(given: Given) -> None:
    said = f'{GET} interval: {{ nanos: 1 }} request: {{ key: "name" value: "nam" }} ' + (
        'response: { key: "nam" value: "name" }'
    )
    assert [line.partition(": ")[0] for line in mistakes(given, get("Get"), polled(said))] == [
        "polling.interval",
        "polling.request.name",
        "polling.response.nam",
    ]


def test_a_file_that_polls_says_what_is_asked(given: Given) -> None:
    (line,) = given.mistakes(
        "service A {\n" + get("Get") + "  rpc Watch(Item) returns (stream Item);\n}\n",
        "services: {shop.v1.A: {methods: {Watch: {polling: {interval: 2s}}}}}\n",
    )
    assert line == (
        "seawall.yaml:1: shop.v1.A/Watch: polling.method: must be said: which method is asked"
    )
