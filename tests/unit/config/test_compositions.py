"""What methods have to do with each other: compiled, or every mistake told."""

import re
from typing import Any

import pytest
from fakes.clock import FakeClock
from google.protobuf import message_factory

from gateway.compose.chain import FixedStep, MethodStep, UpstreamStep
from gateway.compose.fan_out import Need
from gateway.compose.part import Entry
from gateway.compose.scatter import ScatterTarget
from gateway.config.compositions.circles import circles
from gateway.core.call import Call, MethodInfo
from gateway.core.errors import Reason, refused
from gateway.core.events import Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

from .conftest import Given, get

MESSAGES = """
message Overview { Item item = 1; Item other = 2; string name = 3; repeated string names = 4;
  oneof choice { string left = 5; string right = 6; } optional string alone = 7; }
message Number { int64 id = 1; }
message Batch { repeated string ids = 1; repeated Item items = 2; string name = 3; string one = 4; }
message Results { repeated Result results = 1; repeated string texts = 2; }
message Result {
  Item result = 1; google.rpc.Status status = 2; string name = 3; Number number = 4; }
"""
IMPORTS = 'import "google/rpc/status.proto";\n'


def rpc(name: str, more: str = "", *, takes: str = "Item", returns: str = "Item") -> str:
    """Return an rpc over one line, without a binding."""
    return f"  rpc {name}({takes}) returns ({returns}) {{ {more} }}\n"


def policy(text: str) -> str:
    return f"option (seawall.policy.v1.method) = {{ {text} }};"


def composed(kind: str, text: str, **messages: str) -> str:
    return rpc("All", policy(f"{kind}: {{ {text} }}"), **messages)


def service(*rpcs: str) -> str:
    return IMPORTS + MESSAGES + "service A {\n" + "".join(rpcs) + "}\n"


def fan_out(*branches: str, more: str = "") -> str:
    said = ", ".join(f"{{ {branch} }}" for branch in branches)
    return composed("fan_out", f"branches: [{said}] {more}", returns="Overview")


def scatter(text: str = "", *, results: str = 'results: "results"', items: str = "ids") -> str:
    head = f'method: "shop.v1.A/Get" items: "{items}" {results}'
    return composed("scatter", f"{head} {text}", takes="Batch", returns="Results")


GET = 'method: "shop.v1.A/Get"'
BY_ID = 'request: { key: "id" value: "item" }'


def mistakes(given: Given, *rpcs: str, **more: object) -> list[str]:
    """Return what is wrong, without file, method and origin."""
    found = given.mistakes(service(*rpcs), **more)
    for line in found:
        assert line.startswith("shop.proto:"), line
    return [
        re.sub(r" \(method \(.*\)\)$", "", line.partition(": shop.v1.A/")[2].partition(": ")[2])
        for line in found
    ]


# What is served.


def test_a_method_made_of_others_is_served_without_a_binding_and_an_upstream(given: Given) -> None:
    body = service(get("Get"), fan_out(f'{GET} field: "item"'))
    resolved = given.served(body)
    one, other = resolved.methods
    assert (one.method.name, one.upstream) == ("Get", "default")
    assert (other.method.name, other.upstream, other.bindings) == ("All", "", ())
    assert other.policy.deadline.default.seconds == 15
    assert list(resolved.upstreams) == ["default"]
    assert resolved.left_out == ()
    assert list(resolved.compositions) == ["shop.v1.A/All"]


def test_a_service_of_composed_methods_alone_is_served(given: Given) -> None:
    said = policy(f'fan_out: {{ branches: {{ {GET} field: "item" }} }}')
    all_ = f"service B {{ rpc All(Item) returns (Overview) {{ {said} }} }}"
    resolved = given.served(service(get("Get")) + all_)
    assert [m.method.full_name for m in resolved.methods] == ["shop.v1.A/Get", "shop.v1.B/All"]
    chosen = given.served(service(get("Get")) + all_, "serve: [shop.v1.A, shop.v1.B]")
    assert len(chosen.methods) == 2


def test_yaml_makes_a_method_of_others_too(given: Given) -> None:
    body = service(get("Get"), rpc("All", returns="Overview"))
    yaml = """
services:
  shop.v1.A:
    methods:
      All:
        fan_out:
          branches:
          - {method: shop.v1.A/Get, field: item, need: OPTIONAL, timeout: 0.5s}
          - {method: shop.v1.A/Get, field: names, from: wrong}
"""
    (line,) = given.mistakes(body, yaml)
    assert line == (
        "seawall.yaml:7: shop.v1.A/All: fan_out.branches[1].from: shop.v1.Item has no field 'wrong'"
    )
    resolved = given.served(body, yaml.replace("field: names, from: wrong", "field: other"))
    options = resolved.compositions["shop.v1.A/All"].fan_out
    assert options is not None
    assert [branch.need for branch in options.branches] == [Need.OPTIONAL, Need.REQUIRED]
    assert [branch.timeout_s for branch in options.branches] == [0.5, float("inf")]


def test_several_upstreams_are_no_question_for_a_composed_method(given: Given) -> None:
    body = service(
        get("Get", policy('upstream: "a"')),
        get("Other", policy('upstream: "b"')),
        fan_out(f'{GET} field: "item"', 'method: "shop.v1.A/Other" field: "other"'),
    )
    urls = {"a": "http://a", "b": "http://b"}
    assert [m.upstream for m in given.served(body, upstreams=urls).methods] == ["a", "b", ""]


def test_methods_without_any_of_it_have_no_composition(given: Given) -> None:
    disabled = policy('fallback: { disabled: true steps: { answer: "{}" } }')
    assert given.served(service(get("Get"), get("Off", disabled))).compositions == {}


# Fan-out.


def test_a_fan_out_is_compiled(given: Given) -> None:
    body = service(
        get("Get"),
        fan_out(
            f'{GET} field: "item"',
            f'{GET} field: "name" from: "name" request: {{ key: "id" value: "name" }} need: QUORUM',
            f'{GET} field: "alone" from: "id" need: QUORUM',
            more="quorum: 1 reserve: {seconds: 2}",
        ),
    )
    composition = given.served(body).compositions["shop.v1.A/All"]
    assert composition.calls == ("shop.v1.A/Get",)
    assert composition.idempotent
    options = composition.fan_out
    assert options is not None
    assert (options.quorum, options.reserve_s) == (1, 2.0)
    assert options.max_response_bytes == 4 * 1024 * 1024
    item, name, _ = options.branches
    assert (item.method, item.field, item.need) == ("shop.v1.A/Get", "item", Need.REQUIRED)
    assert item.request.identity
    source = item.request.new(id="1", name="2")
    assert name.request.make(source) == item.request.new(id="2")
    answer = options.new_answer()
    item.answer.fill(source, answer)
    name.answer.fill(source, answer)
    assert answer == options.new_answer(item={"id": "1", "name": "2"}, name="2")


def test_without_a_quorum_all_of_them_must_answer(given: Given) -> None:
    body = service(
        get("Get"),
        fan_out(f'{GET} field: "item" need: QUORUM', f'{GET} field: "other" need: QUORUM'),
    )
    options = given.served(body).compositions["shop.v1.A/All"].fan_out
    assert options is not None
    assert (options.quorum, options.reserve_s) == (2, None)


@pytest.mark.parametrize(
    ("branch", "says"),
    [
        ('field: "item"', "fan_out.branches[0].method: names no method"),
        (GET, "fan_out.branches[0].field: names no field of shop.v1.Overview"),
        (
            'method: "shop.v1.A/Gte" field: "item"',
            "fan_out.branches[0].method: there is no served method 'shop.v1.A/Gte'; did you mean "
            "'shop.v1.A/Get'?",
        ),
        (
            'method: "shop.v1.A/Plain" field: "item"',
            "fan_out.branches[0].method: shop.v1.A/Plain is not served, so it cannot be called",
        ),
        (
            'method: "shop.v1.A/Watch" field: "item"',
            "fan_out.branches[0].method: shop.v1.A/Watch streams; what is called is of one "
            "message each way",
        ),
        (
            f'{GET} field: "itm"',
            "fan_out.branches[0].field: shop.v1.Overview has no field 'itm'; did you mean 'item'?",
        ),
        (
            f'{GET} field: "name"',
            "fan_out.branches[0].field: shop.v1.Overview.name is string, not shop.v1.Item",
        ),
        (
            f'{GET} field: "names" from: "name"',
            "fan_out.branches[0].from: shop.v1.Overview.names is repeated string, and "
            "shop.v1.Item.name is string",
        ),
        (
            f'{GET} field: "item" request: {{ key: "name" value: "name" }}',
            "fan_out.branches[0].request: nothing fills 'id', which is in the path of "
            "shop.v1.A/Get (/v1/get/{id})",
        ),
        (
            f'{GET} field: "item" request: {{ key: "ids" value: "id" }}',
            "fan_out.branches[0].request.ids: shop.v1.Item has no field 'ids'; did you mean 'id'?",
        ),
        (
            f'{GET} field: "item" request: {{ key: "id" value: "id.x" }}',
            "fan_out.branches[0].request.id: shop.v1.Item.id is string, so 'id.x' leads nowhere",
        ),
    ],
)
def test_a_branch_that_cannot_be_is_refused(given: Given, branch: str, says: str) -> None:
    rest = (get("Get"), rpc("Plain"), get("Watch", returns="stream Item"))
    assert mistakes(given, *rest, fan_out(branch)) == [says]


def test_a_fan_out_needs_branches_and_not_too_many(given: Given) -> None:
    says = "fan_out.branches: there must be 1 to 64, found"
    assert mistakes(given, get("Get"), fan_out()) == [f"{says} 0"]
    many = [f'{GET} field: "item"'] * 65
    assert mistakes(given, get("Get"), fan_out(*many)) == [f"{says} 65"]


@pytest.mark.parametrize(
    ("quorum", "says"),
    [
        (0, "must be 1 to 1, as many branches have `need: QUORUM`; found 0"),
        (2, "must be 1 to 1, as many branches have `need: QUORUM`; found 2"),
    ],
)
def test_a_quorum_is_one_of_its_branches(given: Given, quorum: int, says: str) -> None:
    branches = (f'{GET} field: "item" need: QUORUM', f'{GET} field: "other"')
    found = mistakes(given, get("Get"), fan_out(*branches, more=f"quorum: {quorum}"))
    assert found == [f"fan_out.quorum: {says}"]
    found = mistakes(given, get("Get"), fan_out(branches[1], more="quorum: 1"))
    assert found == ["fan_out.quorum: no branch has `need: QUORUM`"]


def test_no_field_is_filled_twice(given: Given) -> None:
    branches = (
        f'{GET} field: "item"',
        f'{GET} field: "item"',
        f'{GET} field: "left" from: "id"',
        f'{GET} field: "right" from: "id"',
        f'{GET} field: "alone" from: "id"',
    )
    assert mistakes(given, get("Get"), fan_out(*branches)) == [
        "fan_out.branches[1].field: fan_out.branches[0] fills 'item' already",
        "fan_out.branches[3].field: fan_out.branches[2] fills 'oneof choice' already",
    ]


def test_every_mistake_of_every_branch_is_told(given: Given) -> None:
    branches = (
        f'{GET} field: "itm" request: {{ key: "x" value: "id" }}',
        'method: "nope" field: "other"',
    )
    assert len(mistakes(given, get("Get"), fan_out(*branches))) == 3


@pytest.mark.parametrize(
    ("said", "path"),
    [
        (
            fan_out(f'{GET} field: "item" timeout: {{seconds: -1}}'),
            "fan_out.branches[0].timeout",
        ),
        (scatter(BY_ID + "max_parallel: 0"), "scatter.max_parallel"),
        (get("On", policy('fallback: { on: "OK" steps: { answer: "{}" } }')), "fallback.on[0]"),
    ],
)
def test_numbers_times_and_names_are_checked_before(given: Given, said: str, path: str) -> None:
    (line,) = given.mistakes(service(get("Get"), said))
    assert f": {path}: " in line


# Scatter.


def test_a_scatter_is_compiled(given: Given) -> None:
    body = service(
        get("Get"),
        scatter(
            f'{BY_ID} request: {{ key: "name" value: "name" }} max_parallel: 3 max_items: 20 '
            "item_timeout: {nanos: 500000000} reserve: {seconds: 1}"
        ),
    )
    options = given.served(body).compositions["shop.v1.A/All"].scatter
    assert options is not None
    assert (options.method, options.items, options.results) == ("shop.v1.A/Get", "ids", "results")
    assert (options.max_parallel, options.max_items) == (3, 20)
    assert (options.item_timeout_s, options.reserve_s, options.status) == (0.5, 1.0, "status")
    request = options.of_item.make("7")
    assert options.of_request is not None
    options.of_request.fill(message_class(given, body)(name="both"), request)
    assert (request.id, request.name) == ("7", "both")


def message_class(given: Given, body: str) -> Any:
    """Return the class of what the composed method takes."""
    (method,) = (m for m in given.served(body).methods if m.method.name == "All")
    return message_factory.GetMessageClass(method.descriptor.input_type)


async def test_what_is_compiled_answers_in_the_served_protos_own_messages(given: Given) -> None:
    body = service(get("Get"), scatter(BY_ID))
    options = given.served(body).compositions["shop.v1.A/All"].scatter
    assert options is not None
    item = options.of_item.new

    async def run(call: Call) -> Outcome:
        if call.message.id == "bad":
            return failed(refused(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "no", retry_after_s=1))
        await call.send(item(id=call.message.id, name="n").SerializeToString())
        return SUCCESS

    clock = FakeClock()
    answers: list[bytes] = []

    async def sink(payload: bytes) -> None:
        answers.append(payload)

    method = MethodInfo("shop.v1.A", "All")
    call = Call(method, sink, arrived_at=clock.now(), deadline_at=clock.now() + 1)
    call.message = message_class(given, body)(ids=["7", "bad"])
    entry = Entry(MethodInfo("shop.v1.A", "Get"), run, item, item)
    assert await ScatterTarget(options, lambda _name: entry, clock, Events())(call) is SUCCESS
    answer = options.new_answer.FromString(answers[0])
    one, two = answer.results
    assert one.result == item(id="7", name="n")
    assert two.status.code == Code.UNAVAILABLE
    assert [detail.type_url.rpartition(".")[2] for detail in two.status.details] == [
        "ErrorInfo",
        "RetryInfo",
    ]


def test_a_scatter_has_defaults(given: Given) -> None:
    body = service(get("Get"), scatter(items="items"))
    options = given.served(body).compositions["shop.v1.A/All"].scatter
    assert options is not None
    assert (options.max_parallel, options.max_items) == (8, 100)
    assert (options.item_timeout_s, options.reserve_s) == (float("inf"), None)
    assert options.of_item.identity
    assert options.of_request is None


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            scatter(items="id", text=BY_ID),
            "scatter.items: shop.v1.Batch has no field 'id'; did you mean 'ids'?",
        ),
        (scatter(items="", text=BY_ID), "scatter.items: names no field of shop.v1.Batch"),
        (scatter(items="one", text=BY_ID), "scatter.items: shop.v1.Batch.one is string, not repea"),
        (
            scatter(BY_ID, results='results: "texts"'),
            "scatter.results: shop.v1.Results.texts is repeated string; a result is a message",
        ),
        (scatter(BY_ID, results=""), "scatter.results: names no field of shop.v1.Results"),
        (scatter(), "scatter.request: an element of shop.v1.Batch.ids, a string, has no fields; "),
        (
            scatter('request: { key: "id" value: "item.id" }'),
            "scatter.request.id: an element of shop.v1.Batch.ids, a string, has no fields, so 'id'",
        ),
        (
            scatter('request: { key: "id" value: "name" }'),
            "scatter.request: takes nothing of 'item', so that all calls are the same",
        ),
        (
            scatter(BY_ID + 'request: { key: "name" value: "nam" }'),
            "scatter.request.name: shop.v1.Batch has no field 'nam'; did you mean 'name'?",
        ),
        (
            scatter(BY_ID + 'result: "number"'),
            "scatter.result: shop.v1.Result.number is shop.v1.Number, not shop.v1.Item",
        ),
        (
            scatter(BY_ID + 'status: "name"'),
            "scatter.status: shop.v1.Result.name is string, not google.rpc.Status",
        ),
        (scatter(BY_ID + 'status: "nix"'), "scatter.status: shop.v1.Result has no field 'nix'"),
    ],
)
def test_a_scatter_that_cannot_be_is_refused(given: Given, said: str, says: str) -> None:
    (line,) = mistakes(given, get("Get"), said)
    assert line.startswith(says)


def test_a_scatter_calls_a_served_method(given: Given) -> None:
    said = scatter(BY_ID).replace('"shop.v1.A/Get"', '"shop.v1.A/Nope"')
    (line,) = mistakes(given, get("Get"), said)
    assert line.startswith("scatter.method: there is no served method 'shop.v1.A/Nope'")


# What does not go together.


def test_a_binding_and_a_composition_exclude_each_other(given: Given) -> None:
    both = policy(f'fan_out: {{ branches: {{ {GET} field: "name" from: "name" }} }}')
    says = "fan_out: the method carries google.api.http too; one of the two must go"
    assert mistakes(given, get("Get"), get("Both", both)) == [says]


def test_one_answer_is_not_made_twice(given: Given) -> None:
    both = f'branches: {{ {GET} field: "results" }} }} scatter: {{ {GET} items: "items"'
    said = composed("fan_out", f'{both} results: "results"', takes="Batch", returns="Results")
    found = mistakes(given, get("Get"), said)
    assert "scatter: fan_out makes the answer already; one of the two must go" in found


def test_streams_are_not_made_of_others(given: Given) -> None:
    said = composed("fan_out", f'branches: {{ {GET} field: "item" }}', returns="stream Overview")
    says = "the method streams; only one of one message each way has this"
    assert mistakes(given, get("Get"), said) == [f"fan_out: {says}"]
    stepped = policy('fallback: { steps: { answer: "{}" } }')
    watch = get("Watch", stepped, returns="stream Item")
    assert mistakes(given, watch) == [f"fallback: {says}"]


def test_a_stream_does_not_inherit_a_fallback(given: Given) -> None:
    body = service(get("Get"), get("Watch", returns="stream Item"))
    yaml = "services: {shop.v1.A: {policy: {fallback: {steps: [{answer: '{}'}]}}}}"
    assert list(given.served(body, yaml).compositions) == ["shop.v1.A/Get"]


# Fallbacks.


def falls_back(text: str, **messages: str) -> str:
    return get("Main", policy(f"fallback: {{ {text} }}"), **messages)


def test_a_chain_is_compiled(given: Given) -> None:
    said = (
        'steps: { method: "shop.v1.A/Get" name: "copy" request: { key: "id" value: "name" } } '
        'steps: { upstream: "spare" } '
        """steps: { answer: '{"id": "0"}' } """
        'on: "NOT_FOUND" on: "BREAKER_OPEN" primary_timeout: {seconds: 1}'
    )
    body = service(get("Get"), falls_back(said))
    urls = {"default": "http://a", "spare": "http://b"}
    resolved = given.served(body, upstreams=urls)
    assert list(resolved.upstreams) == ["default", "spare"]
    composition = resolved.compositions["shop.v1.A/Main"]
    assert composition.calls == ("shop.v1.A/Get",)
    options = composition.fallback
    assert options is not None
    assert options.codes == frozenset((Code.NOT_FOUND,))
    assert options.reasons == frozenset((Reason.BREAKER_OPEN,))
    assert options.primary_timeout_s == 1.0
    assert options.idempotent
    method, upstream, fixed = options.steps
    assert isinstance(method, MethodStep)
    assert (method.name, method.method, method.idempotent) == ("copy", "shop.v1.A/Get", True)
    assert method.response.identity
    item = method.request.new
    assert method.request.make(item(id="1", name="2")) == item(id="2")
    assert upstream == UpstreamStep(name="spare", upstream="spare", idempotent=True)
    assert isinstance(fixed, FixedStep)
    assert item.FromString(fixed.answer) == item(id="0")
    assert fixed.name == "fixed"


SPARE = """
upstreams:
  main: {url: http://a, methods: {headers: {set: {x-api-key: of-main}}}}
  spare:
    url: http://b
    methods: {headers: {set: {x-api-key: of-spare}}, idempotency: NOT_IDEMPOTENT}
services:
  shop.v1.A: {policy: {upstream: main}}
"""


def test_a_method_over_a_spare_upstream_has_the_policy_of_that_upstream(given: Given) -> None:
    body = service(get("Get"), falls_back('steps: { upstream: "spare" }'))
    resolved = given.served(body, SPARE, upstreams={})
    assert list(resolved.elsewhere) == [("shop.v1.A/Main", "spare")]
    other = resolved.elsewhere["shop.v1.A/Main", "spare"]
    assert (other.upstream, other.policy.headers.set) == ("spare", {"x-api-key": "of-spare"})
    own = next(m for m in resolved.methods if m.method.name == "Main")
    assert (own.upstream, own.policy.headers.set) == ("main", {"x-api-key": "of-main"})
    options = resolved.compositions["shop.v1.A/Main"].fallback
    assert options is not None
    assert options.idempotent
    assert options.steps == (UpstreamStep(name="spare", upstream="spare", idempotent=False),)


def test_mistakes_of_a_method_over_a_spare_upstream_are_told(given: Given) -> None:
    body = service(get("Get"), falls_back('steps: { upstream: "spare" }'))
    said = "{headers: {request_fields: {x-id: nowhere}}, breaker: {key_field: nothing}}"
    yaml = SPARE.replace(
        "{headers: {set: {x-api-key: of-spare}}, idempotency: NOT_IDEMPOTENT}", said
    )
    first = "\n".join(given.mistakes(body, yaml, upstreams={}))
    assert "nowhere" in first
    assert "breaker.key_field: 'nothing': shop.v1.Item has no field 'nothing'" in first


def test_a_chain_has_defaults(given: Given) -> None:
    body = service(get("Get"), falls_back(f"steps: {{ {GET} }}"))
    options = given.served(body).compositions["shop.v1.A/Main"].fallback
    assert options is not None
    assert options.codes == {
        Code.UNAVAILABLE,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
        Code.INTERNAL,
    }
    assert (options.reasons, options.primary_timeout_s) == (frozenset(), None)
    assert options.steps[0].name == "shop.v1.A/Get"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("steps: {}", "fallback.steps[0]: takes exactly one of method, upstream, answer; found no"),
        (
            f'steps: {{ {GET} answer: "{{}}" }}',
            "fallback.steps[0]: takes exactly one of method, upstream, answer; found method and "
            "answer",
        ),
        (
            'steps: { answer: "{}" request: { key: "id" value: "id" } }',
            "fallback.steps[0].request: says something of another method, which is not named",
        ),
        (
            'steps: { method: "shop.v1.A/Gte" }',
            "fallback.steps[0].method: there is no served method 'shop.v1.A/Gte'; did you mean",
        ),
        (
            'steps: { method: "shop.v1.A/Watch" }',
            "fallback.steps[0].method: shop.v1.A/Watch streams",
        ),
        (
            f'steps: {{ {GET} request: {{ key: "id" value: "nam" }} }}',
            "fallback.steps[0].request.id: shop.v1.Item has no field 'nam'; did you mean 'name'?",
        ),
        (
            f'steps: {{ {GET} response: {{ key: "idd" value: "id" }} }}',
            "fallback.steps[0].response.idd: shop.v1.Item has no field 'idd'; did you mean 'id'?",
        ),
        (
            "steps: { answer: '{\"idd\": 1}' }",
            'fallback.steps[0].answer: is no JSON of shop.v1.Item: Message type "shop.v1.Item" has',
        ),
        ("steps: { answer: '{' }", "fallback.steps[0].answer: is no JSON of shop.v1.Item: "),
        (
            'steps: { answer: "{}" } steps: { upstream: "default" name: "x" }',
            "fallback.steps[1]: stands behind a fixed answer, and would never be tried",
        ),
        (
            'steps: { answer: "{}" name: "größer" }',
            "fallback.steps[0].name: travels as metadata, which takes printable ASCII only",
        ),
        ('steps: { answer: "{}" name: "" }', "fallback.steps[0].name: travels as metadata"),
        (
            'steps: { upstream: "default" }',
            "fallback.steps[0].upstream: 'default' is the method's own upstream",
        ),
    ],
)
def test_a_chain_that_cannot_be_is_refused(given: Given, said: str, says: str) -> None:
    rest = (get("Get"), get("Watch", returns="stream Item"))
    found = mistakes(given, *rest, falls_back(said))
    assert found[0].startswith(says)
    assert len(found) == 1 or "default" in said


def test_a_list_of_no_causes_is_refused(given: Given) -> None:
    body = service(falls_back('steps: { answer: "{}" }'))
    yaml = "services: {shop.v1.A: {methods: {Main: {fallback: {on: []}}}}}"
    (line,) = given.mistakes(body, yaml)
    assert "fallback.on: is empty, so that no step would ever be tried" in line


def test_an_upstream_that_is_only_a_fallback_needs_an_address(given: Given) -> None:
    body = service(falls_back('steps: { upstream: "spare" }'))
    (line,) = given.mistakes(body, upstreams={"default": "http://a"})
    assert "the upstream 'spare' has no URL" in line


def test_a_composed_method_has_no_upstream_to_replace(given: Given) -> None:
    said = rpc(
        "All",
        policy(
            f'fan_out: {{ branches: {{ {GET} field: "item" }} }} '
            'fallback: { steps: { upstream: "spare" } }'
        ),
        returns="Overview",
    )
    found = mistakes(
        given, get("Get"), said, upstreams={"default": "http://a", "spare": "http://b"}
    )
    assert found == [
        "fallback.steps[0].upstream: the method has no upstream of its own that another could "
        "stand for"
    ]


def test_a_composed_method_falls_back_to_a_fixed_answer(given: Given) -> None:
    said = rpc(
        "All",
        policy(
            f'fan_out: {{ branches: {{ {GET} field: "item" }} }} '
            """fallback: { steps: { answer: '{"name": "none"}' } }"""
        ),
        returns="Overview",
    )
    composition = given.served(service(get("Get"), said)).compositions["shop.v1.A/All"]
    assert composition.fan_out is not None
    assert composition.fallback is not None


def post(name: str, more: str = "") -> str:
    return get(name, more).replace(f'get: "/v1/{name.lower()}/{{id}}"', f'post: "/v1/{name}"')


@pytest.mark.parametrize(
    ("made_of", "said", "idempotent"),
    [
        (get("Get"), "", True),
        (post("Get"), "", False),
        (post("Get"), policy("idempotency: IDEMPOTENT"), True),
        (get("Get"), policy("idempotency: NOT_IDEMPOTENT"), False),
        (post("Get"), "option idempotency_level = NO_SIDE_EFFECTS;", True),
    ],
)
def test_a_method_made_of_others_is_idempotent_if_they_are(
    given: Given, made_of: str, said: str, idempotent: bool
) -> None:
    all_ = fan_out(f'{GET} field: "item"').replace("option (", f"{said} option (", 1)
    if "option (seawall" in said:  # one option only: merged by hand
        inner = said.partition("{ ")[2].rpartition(" }")[0]
        all_ = fan_out(f'{GET} field: "item"').replace("= { fan_out", f"= {{ {inner} fan_out", 1)
    composition = given.served(service(made_of, all_)).compositions["shop.v1.A/All"]
    assert composition.idempotent is idempotent


def test_a_step_knows_whether_its_method_is_idempotent(given: Given) -> None:
    body = service(post("Get"), falls_back(f"steps: {{ {GET} }}"))
    options = given.served(body).compositions["shop.v1.A/Main"].fallback
    assert options is not None
    (step,) = options.steps
    assert isinstance(step, MethodStep)
    assert (options.idempotent, step.idempotent) == (True, False)


# Circles.


def test_what_leads_back_to_itself_is_refused_by_name(given: Given) -> None:
    there = policy('fallback: { steps: { method: "shop.v1.A/Back" } }')
    back = policy('fallback: { steps: { method: "shop.v1.A/There" } }')
    assert mistakes(given, get("There", there), get("Back", back)) == [
        "fallback: leads back: shop.v1.A/There → shop.v1.A/Back → shop.v1.A/There"
    ]


def test_a_circle_may_go_through_every_kind(given: Given) -> None:
    again = policy('fallback: { steps: { method: "shop.v1.A/All" } }')
    found = mistakes(given, get("Get", again), fan_out(f'{GET} field: "item"'))
    assert found == ["fallback: leads back: shop.v1.A/Get → shop.v1.A/All → shop.v1.A/Get"]
    own = scatter(BY_ID).replace("shop.v1.A/Get", "shop.v1.A/All")
    assert mistakes(given, get("Get"), own) == [
        "scatter: leads back: shop.v1.A/All → shop.v1.A/All"
    ]


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ({"a": ["b", "c"], "b": ["c"], "c": []}, []),  # two ways to one place are no circle
        ({"a": ["b"], "b": ["gone"]}, []),
        ({"a": ["a"]}, [("a", "a")]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, [("b", "c", "b")]),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}, [("a", "b", "a"), ("c", "d", "c")]),
        ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, [("a", "b", "a"), ("a", "c", "a")]),
    ],
)
def test_circles_are_found_once(calls: dict[str, list[str]], found: list[tuple[str, ...]]) -> None:
    assert list(circles(calls)) == found


def test_a_long_way_is_no_trouble() -> None:
    calls = {str(i): [str(i + 1)] for i in range(5000)}
    assert list(circles(calls)) == []
    assert len(list(circles(calls | {"5000": ["0"]}))) == 1
