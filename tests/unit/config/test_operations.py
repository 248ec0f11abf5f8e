"""Durable operations: compiled, or every mistake told."""

import re
from typing import Any

import pytest
from google.protobuf import message_factory

from gateway.operations.options import OperationOptions, Poll, Schedule

from .conftest import Given, get

HEAD = """
import "google/longrunning/operations.proto";
message Pay { string id = 1; string note = 2; Item item = 3; repeated string tags = 4; }
message Paid { string id = 1; string state = 2; }
message Noted { string operation = 1; google.longrunning.Operation whole = 2; int32 number = 3;
  repeated string many = 4; repeated google.longrunning.Operation wholes = 5; Item item = 6; }
message Nothing {}
message Progress { int32 attempts = 1; }
"""
OPERATION = "google.longrunning.Operation"
STRIPPED = "defaults: {upstream: {credentials: {caller: STRIP}}}"
BOUND = 'option (google.api.http) = {post: "/v1/ship/{id}" body: "*"};'
GET = '{ method: "shop.v1.A/Get" }'


def info(response: str = "Item", metadata: str = "") -> str:
    said = f'response_type: "{response}" metadata_type: "{metadata}"'
    return f"option (google.longrunning.operation_info) = {{ {said} }};"


def policy(text: str) -> str:
    return f"option (seawall.policy.v1.method) = {{ {text} }};"


def later(said: str = "", *, http: str = BOUND, declares: str | None = None) -> str:
    """Return a method whose calls are all kept."""
    declares = info() if declares is None else declares
    return f"  rpc Ship(Item) returns ({OPERATION}) {{ {http} {declares} {operation(said)} }}\n"


def operation(said: str) -> str:
    return policy(f"operation: {{ {said} }}")


def steps(*said: str, more: str = "") -> str:
    return later(f"steps: [{', '.join(said)}] {more}", http="")


def accepted(name: str, more: str = "", returns: str = "Noted") -> str:
    """Return a method whose calls are kept while its upstream is away."""
    return get("Ship", operation(f'accepted_in: "{name}" {more}'), returns=returns)


def pay(path: str = "/v1/pay/{id}") -> str:
    bound = f'option (google.api.http) = {{post: "{path}" body: "*"}};'
    return f"  rpc Charge(Pay) returns (Paid) {{ {bound} }}\n"


def service(*rpcs: str) -> str:
    return HEAD + "service A {\n" + "".join(rpcs) + "}\n"


def mistakes(given: Given, *rpcs: str, yaml: str = STRIPPED, **more: Any) -> list[str]:
    """Return what is wrong, without file, method and origin."""
    found = given.mistakes(service(*rpcs), yaml, **more)
    lines = [line.partition(": shop.v1.A")[2].partition(": ")[2] for line in found]
    return [re.sub(r" \(method \(.*\)\)$", "", line) for line in lines]


def kept(given: Given, *rpcs: str, yaml: str = STRIPPED) -> OperationOptions:
    options = given.served(service(*rpcs), yaml).compositions["shop.v1.A/Ship"].operation
    assert options is not None
    return options


# What is kept.


def test_an_empty_policy_is_enough(given: Given) -> None:
    options = kept(given, later())
    assert options.schedule == Schedule()
    assert (options.steps, options.steps_answer, options.poll) == ((), None, Poll(implied=True))
    assert (options.order_by, options.accepted_in, options.max_pending) == ("", "", 100_000)
    assert options.response.DESCRIPTOR.full_name == "shop.v1.Item"
    assert options.metadata.DESCRIPTOR.full_name == "seawall.operations.v1.OperationMetadata"
    assert options.header == "idempotency-key"


def test_answers_and_metadata_may_be_named_by_their_full_names(given: Given) -> None:
    options = kept(given, later(declares=info("shop.v1.Paid", "Progress")))
    assert options.response.DESCRIPTOR.full_name == "shop.v1.Paid"
    assert options.metadata.DESCRIPTOR.full_name == "shop.v1.Progress"


@pytest.mark.parametrize("name", ["operation", "whole"])
def test_an_answer_may_take_the_operation_as_a_name_or_whole(name: str, given: Given) -> None:
    options = kept(given, accepted(name))
    assert options.accepted_in == name
    assert options.response.DESCRIPTOR.full_name == "shop.v1.Noted"


def test_what_is_off_keeps_nothing(given: Given) -> None:
    off = get("Get", operation("disabled: true poll: { succeeded: 'x' }"))
    assert given.served(service(off), STRIPPED).compositions == {}


TAKEN_BACK = "services: {{shop.v1.A: {{methods: {{Ship: {{operation: {{{}}}}}}}}}}}"


def test_a_file_may_turn_off_what_the_proto_says(given: Given) -> None:
    resolved = given.served(service(steps(GET), get("Get")), TAKEN_BACK.format("disabled: true"))
    assert [one.method.name for one in resolved.methods] == ["Get"]
    assert [one.text for one in resolved.left_out] == ["shop.v1.A/Ship: carries no google.api.http"]


def test_steps_that_are_taken_back_leave_nothing_to_call(given: Given) -> None:
    yaml = f"{STRIPPED}\n{TAKEN_BACK.format('steps: []')}"
    assert given.mistakes(service(steps(GET), get("Get")), yaml) == [
        "seawall.yaml:2: shop.v1.A/Ship: operation.steps: there are none, and the method carries "
        "no google.api.http"
    ]


def test_what_a_stream_inherits_is_meant_for_the_others(given: Given) -> None:
    streams = get("Watch", returns="stream Item")
    yaml = STRIPPED + "\nservices: {shop.v1.A: {policy: {operation: {max_attempts: 3}}}}"
    resolved = given.served(service(later(), streams), yaml)
    assert list(resolved.compositions) == ["shop.v1.A/Ship"]


def test_steps_are_made_of_the_operations_request(given: Given) -> None:
    said = '{ method: "shop.v1.A/Charge" name: "pay" request: { key: "note" value: "name" } ' + (
        'request: { key: "id" value: "id" } }'
    )
    options = kept(given, steps(said, GET, more='order_by: "id"'), pay(), get("Get"))
    assert [(step.name, step.method) for step in options.steps] == [
        ("pay", "shop.v1.A/Charge"),
        ("Get", "shop.v1.A/Get"),
    ]
    resolved = given.served(service(get("Get")))
    item = message_factory.GetMessageClass(resolved.methods[0].descriptor.input_type)
    made = options.steps[0].request.make(item(id="1", name="n"))
    assert (made.id, made.note) == ("1", "n")
    assert options.steps_answer is not None
    assert options.steps_answer.identity


def test_the_last_steps_answer_becomes_the_operations(given: Given) -> None:
    options = kept(given, steps('{ method: "shop.v1.A/Charge" }'), pay())
    assert options.steps_answer is not None
    assert options.steps_answer.fills == {"id"}


@pytest.mark.parametrize(
    ("said", "poll"),
    [
        ("", Poll()),
        (
            'path: "/s/{a.b}" interval: { seconds: 5 } state: "x.y" result: "r"',
            Poll(
                path=("/s/", "a.b", ""),
                interval_s=5.0,
                state=("x", "y"),
                result=("r",),
            ),
        ),
        (
            "state: 's' succeeded: ['OK'] failed: ['Bad']",
            Poll(state=("s",), succeeded=frozenset({"ok"}), failed=frozenset({"bad"})),
        ),
        # What is said of a state beats what is built in.
        (
            "state: 's' succeeded: ['ok', 'CANCELLED']",
            Poll(
                state=("s",),
                succeeded=frozenset({"ok", "cancelled"}),
                failed=frozenset({"failed", "error"}),
            ),
        ),
        (
            "state: 's' failed: ['done']",
            Poll(
                state=("s",),
                succeeded=frozenset({"succeeded", "success", "completed"}),
                failed=frozenset({"done"}),
            ),
        ),
    ],
)
def test_how_the_end_is_waited_for(said: str, poll: Poll, given: Given) -> None:
    assert kept(given, later(f"poll: {{ {said} }}")).poll == poll


def test_levels_may_say_each_a_part_of_how_it_is_waited_for(given: Given) -> None:
    yaml = STRIPPED + "\nservices: {shop.v1.A: {policy: {operation: {poll: {state: s}}}}}"
    poll = kept(given, later("poll: { succeeded: ['ok'] }"), yaml=yaml).poll
    assert poll is not None
    assert (poll.state, poll.succeeded) == (("s",), {"ok"})


# What no level may say.


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("poll: { path: 'x' }", "operation.poll.path: 'x' must begin with '/'"),
        ("poll: { path: '/{a' }", "operation.poll.path: '/{a' has a brace without its other"),
        ("poll: { path: '/a}' }", "operation.poll.path: '/a}' has a brace without its other"),
        ("poll: { path: '/ä' }", "operation.poll.path: '/ä' is no path of a URL: write it percent"),
        ("poll: { path: '/a b' }", "operation.poll.path: '/a b' is no path of a URL: write it per"),
        ("poll: { path: '/{}' }", "operation.poll.path: {} must be keys joined by dots"),
        ("poll: { path: '/{a..b}' }", "operation.poll.path: {a..b} must be keys joined by dots"),
        ("poll: { state: 'a..b' }", "operation.poll.state: must be keys joined by dots"),
        ("poll: { result: '.a' }", "operation.poll.result: must be keys joined by dots"),
        (
            f"steps: [{GET}, {GET}]",
            "operation.steps[1].name: 'Get' is taken; give each step its own",
        ),
        (
            f'steps: [{GET}, {{ method: "shop.v1.A/Charge" name: "Get" }}]',
            "operation.steps[1].name: 'Get' is taken; give each step its own",
        ),
        ("max_attempts: 0", "operation.max_attempts: must be 1 to 10000, found 0"),
    ],
)
def test_what_no_level_may_say(said: str, says: str, given: Given) -> None:
    (found,) = mistakes(given, later(said), get("Get"), pay())
    assert found.startswith(says)


def test_a_file_that_says_it_is_told_the_line(given: Given) -> None:
    yaml = "services:\n  shop.v1.A:\n    methods:\n      Ship: {operation: {poll: {path: x}}}\n"
    assert given.mistakes(service(later()), yaml) == [
        "seawall.yaml:4: services.shop.v1.A.methods.Ship.operation.poll.path: 'x' must begin with "
        "'/'"
    ]


# What all levels together may not say.


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("succeeded: 'x'", "operation.poll.state: must say where these states stand"),
        ("failed: 'x'", "operation.poll.state: must say where these states stand"),
        (
            "state: 's' succeeded: ['b', 'a', 'X'] failed: ['A', 'x']",
            "operation.poll.failed: 'a' is a success too; one must go",
        ),
    ],
)
def test_states_that_say_nothing_are_refused(said: str, says: str, given: Given) -> None:
    assert mistakes(given, later(f"poll: {{ {said} }}")) == [says]


@pytest.mark.parametrize("returns", ["stream Item", f"stream {OPERATION}"])
def test_a_stream_has_no_operations(returns: str, given: Given) -> None:
    assert mistakes(given, get("Watch", operation(""), returns=returns)) == [
        "operation: the method streams; only one of one message each way has this"
    ]


def test_an_answer_that_takes_no_operation_is_told_what_to_do(given: Given) -> None:
    assert mistakes(given, get("Get", operation("max_attempts: 3"))) == [
        "operation: shop.v1.A.Get answers with shop.v1.Item: let it return "
        "google.longrunning.Operation (with operation_info), or name in accepted_in the field "
        "that takes the operation where the upstream is away"
    ]


@pytest.mark.parametrize("declares", ["", info(""), info("Itm"), info("other.v1.Item")])
def test_an_operation_declares_its_answer(declares: str, given: Given) -> None:
    assert mistakes(given, later(declares=declares)) == [
        "operation: the method needs `option (google.longrunning.operation_info) = "
        "{response_type: …}` with a message that these protos have"
    ]


@pytest.mark.parametrize(
    ("rpc", "says"),
    [
        (
            later('accepted_in: "name"'),
            "operation.accepted_in: every call of this method answers with an operation already",
        ),
        (
            later(f"steps: {GET}"),
            "operation.steps: the method carries google.api.http too; one of the two must go",
        ),
        (
            steps(GET, more="poll: {}"),
            "operation.poll: is for the method's own binding, and there are steps in its place",
        ),
        (
            accepted("operation", "poll: {}"),
            "operation.poll: is for methods that answer with google.longrunning.Operation",
        ),
        (
            accepted("operation", f"steps: {GET}"),
            "operation.steps: is for methods that answer with google.longrunning.Operation",
        ),
        (
            accepted("operatoin"),
            "operation.accepted_in: shop.v1.Noted has no field 'operatoin'; it has item, many, "
            "number, operation, whole, wholes",
        ),
        (
            accepted("operation", returns="Nothing"),
            "operation.accepted_in: shop.v1.Nothing has no field 'operation'; it has none",
        ),
        *(
            (
                accepted(name),
                f"operation.accepted_in: '{name}' must be a string or "
                "google.longrunning.Operation, and one",
            )
            for name in ("number", "item", "many", "wholes")
        ),
    ],
)
def test_what_does_not_go_together_is_refused(rpc: str, says: str, given: Given) -> None:
    assert mistakes(given, rpc, get("Get")) == [says]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("idd", "'idd': shop.v1.Item has no field 'idd'"),
        ("id.x", "'id.x': the field before 'x' is no message"),
    ],
)
def test_operations_are_in_the_order_of_a_field(path: str, says: str, given: Given) -> None:
    assert mistakes(given, later(f'order_by: "{path}"')) == [f"operation.order_by: {says}"]
    assert kept(given, later('order_by: "id"')).order_by == "id"


@pytest.mark.parametrize(
    ("path", "says"), [("tags", "'tags': 'tags' is repeated"), ("item", "'item' is a message; a")]
)
def test_a_list_or_a_message_is_no_order(path: str, says: str, given: Given) -> None:
    (found,) = mistakes(given, later(f'order_by: "{path}"').replace("(Item)", "(Pay)"))
    assert found.startswith(f"operation.order_by: {says}")


# Who calls.

EXCHANGE = """
defaults:
  upstream:
    credentials:
      caller: EXCHANGE
      oauth2: {token_url: "https://sts", client_id: a, client_secret: "${S}"}
"""
NOBODY = "an operation is made on nobody's behalf: give the upstream a credential of its own"
FORWARDED = (
    "the upstream 'default' is sent its callers' 'authorization', and an operation is made on "
    "nobody's behalf: give the upstream a credential of its own, or say credentials: "
    "{caller: STRIP} where it needs none"
)
EXCHANGED = (
    "the upstream 'default' is called with what callers' credentials are exchanged for, and an "
    "operation is made on nobody's behalf: give the upstream a credential of its own "
    "(credentials, caller: STRIP)"
)


@pytest.mark.parametrize(
    ("yaml", "says"), [("defaults: {}", FORWARDED), (EXCHANGE, EXCHANGED)], ids=["sent", "exchange"]
)
def test_an_upstream_that_needs_its_callers_keeps_no_calls(
    yaml: str, says: str, given: Given
) -> None:
    more = {"yaml": yaml, "environ": {"S": "s"}}
    assert mistakes(given, later(), **more) == [f"operation: {says}"]
    assert mistakes(given, accepted("operation"), **more) == [f"operation: {says}"]
    assert mistakes(given, steps(GET), get("Get"), **more) == [
        f"operation.steps: shop.v1.A/Get: {says}"
    ]


def test_a_step_that_is_made_twice_is_told_once(given: Given) -> None:
    again = '{ method: "shop.v1.A/Get" name: "again" }'
    found = mistakes(given, steps(GET, again), get("Get"), yaml="defaults: {}")
    assert found == [f"operation.steps: shop.v1.A/Get: {FORWARDED}"]


@pytest.mark.parametrize("header", ["cookie", "x-api-key", "Authorization"])
def test_every_header_that_carries_a_credential_counts(header: str, given: Given) -> None:
    yaml = f"defaults: {{method: {{headers: {{forward_request: [x-request-id, {header}]}}}}}}"
    (found,) = mistakes(given, later(), yaml=yaml)
    assert f"is sent its callers' '{header}'" in found
    assert kept(given, later(), yaml=yaml.replace(f", {header}", "")) is not None


def test_an_upstream_with_a_credential_of_its_own_needs_no_caller(given: Given) -> None:
    body = service(later())
    yaml = 'upstreams: {default: {policy: {credentials: {bearer_token: "${S}"}}}}'
    served = given.served(body, yaml, environ={"S": "s"})
    assert served.has_operations


# Steps.


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{}", "operation.steps[0].method: names no method"),
        (
            '{ method: "shop.v1.A/Gte" }',
            "operation.steps[0].method: there is no served method 'shop.v1.A/Gte'; did you mean "
            "'shop.v1.A/Get'?",
        ),
        (
            '{ method: "shop.v1.A/Watch" }',
            "operation.steps[0].method: shop.v1.A/Watch streams; what is called is of one message "
            "each way",
        ),
        (
            '{ method: "shop.v1.A/Charge" request: { key: "nte" value: "name" } }',
            "operation.steps[0].request.nte: shop.v1.Pay has no field 'nte'; did you mean 'note'?",
        ),
        (
            '{ method: "shop.v1.A/Charge" request: { key: "note" value: "nam" } }',
            "operation.steps[0].request.note: shop.v1.Item has no field 'nam'; did you mean "
            "'name'?",
        ),
        (
            '{ method: "shop.v1.A/Charge" request: { key: "item" value: "name" } }',
            "operation.steps[0].request.item: shop.v1.Pay.item is shop.v1.Item, and "
            "shop.v1.Item.name is string",
        ),
        (
            '{ method: "shop.v1.A/Charge" request: { key: "note" value: "name" } }',
            "operation.steps[0].request: nothing fills 'id', which is in the path of "
            "shop.v1.A/Charge (/v1/pay/{id})",
        ),
    ],
)
def test_a_step_that_cannot_be_is_refused(said: str, says: str, given: Given) -> None:
    others = (get("Get"), pay(), get("Watch", returns="stream Item"))
    assert mistakes(given, steps(said), *others) == [says]


def test_every_step_is_told_its_mistakes(given: Given) -> None:
    found = mistakes(given, steps("{}", '{ method: "shop.v1.A/Gte" }', GET), get("Get"))
    assert [line.partition(":")[0] for line in found] == [
        "operation.steps[0].method",
        "operation.steps[1].method",
    ]


def test_steps_that_lead_back_are_refused(given: Given) -> None:
    assert mistakes(given, steps('{ method: "shop.v1.A/Ship" }'), get("Get")) == [
        "operation.steps: leads back: shop.v1.A/Ship → shop.v1.A/Ship"
    ]
