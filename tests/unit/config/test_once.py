"""Bulk reads and lookups: compiled, or every mistake told."""

import re
from typing import Any

import pytest
from google.protobuf import message_factory

from gateway.compose.batch import BatchOptions
from gateway.compose.lookup import LookupOptions

from .conftest import Given, get

PROTOS = """
message Keys { repeated string ids = 1; string tenant = 2; string id = 3;
  repeated int64 numbers = 4; string alone = 5; }
message Refs { repeated Item refs = 1; }
message Items { repeated Item items = 1; repeated Row rows = 2; map<string, Item> by_id = 3;
  repeated string texts = 4; Item one = 5; }
message Row { string id = 1; Item item = 2; Meta meta = 3; Tag tag = 4; string text = 5;
  repeated string tags = 6; int64 number = 7; }
message Meta { string id = 1; }
message Tag { string label = 1; }
message Ask { string id = 1; string tenant = 2; repeated string tags = 3; Item ref = 4; }
message Boxed { Item item = 1; string text = 2; }
message Both { string id = 1; repeated string ids = 2; }
message Change { string id = 1; string name = 2; int64 number = 3; }
message Found { repeated Item items = 1; Item item = 2; string state = 3; Meta meta = 4;
  optional string note = 5; map<string, string> labels = 6; }
"""
BULK = 'method: "shop.v1.A/GetAll"'
BATCH = {
    "key": "id",
    "keys": "ids",
    "items": "items",
    "item_key": "id",
}


def rpc(name: str, takes: str, returns: str, path: str = "", more: str = "") -> str:
    bound = f"option (google.api.http) = {{{path or f'get: {chr(34)}/{name}{chr(34)}'}}};"
    return f"  rpc {name}({takes}) returns ({returns}) {{ {bound} {more} }}\n"


def policy(text: str) -> str:
    return f"option (seawall.policy.v1.method) = {{ {text} }};"


def service(*rpcs: str) -> str:
    return PROTOS + "service A {\n" + "".join(rpcs) + "}\n"


def batch(takes: str = "Item", returns: str = "Item", **said: str) -> str:
    """Return a single read that is made in bulk; a field of "" is not said."""
    fields = {**BATCH, **said}
    text = " ".join(f'{name}: "{value}"' for name, value in fields.items() if value)
    return rpc("Get", takes, returns, more=policy(f"batch: {{ {BULK} {text} }}"))


def bulk(takes: str = "Keys", returns: str = "Items", path: str = "", more: str = "") -> str:
    return rpc("GetAll", takes, returns, path, more)


def mistakes(given: Given, *rpcs: str) -> list[str]:
    """Return what is wrong, without file, method and origin."""
    found = given.mistakes(service(*rpcs))
    return [
        re.sub(r" \(method \(.*\)\)$", "", line.partition(": shop.v1.A/")[2].partition(": ")[2])
        for line in found
    ]


def batched(given: Given, *rpcs: str) -> BatchOptions:
    options = given.served(service(*rpcs)).compositions["shop.v1.A/Get"].batch
    assert options is not None
    return options


def classes(given: Given, *rpcs: str) -> dict[str, Any]:
    """Return the messages of the protos, by name."""
    methods = given.served(service(*rpcs)).methods
    types = [m.descriptor.input_type for m in methods] + [m.descriptor.output_type for m in methods]
    file = types[-1].file
    return {
        name: message_factory.GetMessageClass(kind)
        for name, kind in file.message_types_by_name.items()
    }


# Bulk reads.


def test_a_single_read_is_made_of_a_bulk_methods_items(given: Given) -> None:
    options = batched(given, batch(), bulk())
    assert (options.method, options.key, options.keys) == ("shop.v1.A/GetAll", "id", "ids")
    assert (options.items, options.item_key) == ("items", "id")
    assert (options.window_s, options.max_keys) == (0.005, 100)
    assert options.answer.identity


def test_the_bulk_request_has_what_both_requests_have_but_for_keys(given: Given) -> None:
    rpcs = (batch("Ask"), bulk())
    made = classes(given, *rpcs)
    options = batched(given, *rpcs)
    ask = made["Ask"](id="1", tenant="t", tags=["x"])
    request = options.rest.make(ask)
    assert request.DESCRIPTOR.name == "Keys"
    assert request == type(request)(tenant="t")


def test_one_message_for_both_requests_leaves_the_first_key_out(given: Given) -> None:
    options = batched(given, batch("Both"), bulk("Both"))
    asked = classes(given, batch("Both"), bulk("Both"))["Both"](id="1")
    request = type(asked)()
    options.rest.fill(asked, request)
    assert request == type(asked)()


@pytest.mark.parametrize(
    ("returns", "said", "item", "answer"),
    [
        # The item itself; by name and type where it is of another one.
        ("Item", {}, {"id": "1", "name": "n"}, {"id": "1", "name": "n"}),
        ("Item", {"items": "rows"}, {"id": "1", "text": "n"}, {"id": "1"}),
        # A message within the item: as the answer, or by its fields.
        ("Item", {"items": "rows", "item": "item"}, {"item": {"name": "n"}}, {"name": "n"}),
        ("Meta", {"items": "rows", "item": "item", "item_key": "meta.id"}, {"item": {"id": "1"}},
         None),
        # A field of the answer takes the item, or what is within it.
        ("Boxed", {"response": "item"}, {"id": "1"}, {"item": {"id": "1"}}),
        (
            "Boxed",
            {"items": "rows", "item": "item", "response": "item"},
            {"item": {"id": "1"}},
            {"item": {"id": "1"}},
        ),
        (
            "Boxed",
            {"items": "rows", "item": "text", "response": "text"},
            {"text": "t"},
            {"text": "t"},
        ),
        ("Boxed", {"items": "rows", "item": "text", "response": "text"}, {}, {}),
    ],
)  # fmt: skip
def test_an_item_becomes_an_answer(
    returns: str,
    said: dict[str, str],
    item: dict[str, Any],
    answer: dict[str, Any] | None,
    given: Given,
) -> None:
    rpcs = (batch(returns=returns, **said), bulk())
    if answer is None:
        assert mistakes(given, *rpcs) == ["batch.item.name: shop.v1.Meta has no field 'name'"]
        return
    options, made = batched(given, *rpcs), classes(given, *rpcs)
    single = options.new_answer()
    options.answer.fill(made["Row" if said.get("items") == "rows" else "Item"](**item), single)
    assert single == made[returns](**answer)


def test_a_key_may_be_within_a_message(given: Given) -> None:
    options = batched(given, batch("Ask", key="ref.id", items="rows", item_key="meta.id"), bulk())
    assert (options.key, options.item_key) == ("ref.id", "meta.id")


def test_a_batch_that_is_off_or_names_no_method_is_none(given: Given) -> None:
    for said in ("batch: { disabled: true }", f'batch: {{ disabled: true {BULK} key: "nothing" }}'):
        resolved = given.served(service(get("Get", policy(said)), bulk()))
        assert resolved.compositions == {}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"key": ""}, "batch.key: must be said: a field of shop.v1.Item"),
        ({"keys": ""}, "batch.keys: must be said: a field of shop.v1.Keys"),
        ({"items": ""}, "batch.items: must be said: a field of shop.v1.Items"),
        ({"item_key": ""}, "batch.item_key: must be said: a field of shop.v1.Item"),
        ({"key": "idd"}, "batch.key: shop.v1.Item has no field 'idd'; did you mean 'id'?"),
        ({"keys": "idds"}, "batch.keys: shop.v1.Keys has no field 'idds'; did you mean 'ids'?"),
        ({"items": "itms"}, "batch.items: shop.v1.Items has no field 'itms'; did you mean 'items"),
        ({"item_key": "idd"}, "batch.item_key: shop.v1.Item has no field 'idd'; did you mean 'id'"),
        ({"key": "id.x"}, "batch.key: 'id.x' leads nowhere"),
        ({"keys": "alone"}, "batch.keys: shop.v1.Keys.alone is string, not repeated string"),
        (
            {"keys": "numbers"},
            "batch.keys: shop.v1.Keys.numbers is repeated int64, not repeated string",
        ),
        ({"items": "texts"}, "batch.items: shop.v1.Items.texts is repeated string; items are mes"),
        ({"items": "one"}, "batch.items: shop.v1.Items.one is shop.v1.Item; items are messages"),
        (
            {"items": "by_id", "item_key": "key"},
            "batch.items: shop.v1.Items.by_id is map<string, shop.v1.Item>; items are messages",
        ),
        (
            {"items": "rows", "item_key": "number"},
            "batch.item_key: shop.v1.Row.number is int64, not string",
        ),
        ({"items": "rows", "item_key": "tags"}, "batch.item_key: shop.v1.Row.tags is repeated"),
        ({"items": "rows", "item_key": "tags.x"}, "batch.item_key: 'tags.x' leads nowhere"),
        ({"items": "rows", "item": "itm"}, "batch.item: shop.v1.Row has no field 'itm'; did you"),
        (
            {"items": "rows", "item": "text"},
            "batch.response: must be said: which field takes shop.v1.Row.text",
        ),
        (
            {"items": "rows", "item": "tag"},
            "batch.item.label: shop.v1.Item has no field 'label'",
        ),
        ({"response": "nam"}, "batch.response: shop.v1.Item has no field 'nam'; did you mean 'nam"),
        (
            {"response": "name"},
            "batch.response: shop.v1.Item.name is string, not shop.v1.Item",
        ),
        (
            {"items": "rows", "item": "number", "response": "name"},
            "batch.response: shop.v1.Item.name is string, and shop.v1.Row.number is int64",
        ),
    ],
)
def test_a_batch_that_cannot_be_is_refused(given: Given, said: dict[str, str], says: str) -> None:
    (found,) = mistakes(given, batch(**said), bulk())
    assert found.startswith(says)


def test_a_key_is_one_value(given: Given) -> None:
    assert mistakes(given, batch("Ask", key="tags"), bulk()) == [
        "batch.key: shop.v1.Ask.tags is repeated"
    ]
    said = batch("Ask", key="ref", keys="refs", items="rows", item_key="item")
    assert mistakes(given, said, bulk("Refs", path='post: "/v1/items" body: "*"')) == [
        "batch.key: shop.v1.Ask.ref is shop.v1.Item; a key is a single value"
    ]


def test_every_mistake_of_a_batch_is_told(given: Given) -> None:
    assert mistakes(given, batch(key="", keys="", items=""), bulk()) == [
        "batch.key: must be said: a field of shop.v1.Item",
        "batch.keys: must be said: a field of shop.v1.Keys",
        "batch.items: must be said: a field of shop.v1.Items",
    ]


@pytest.mark.parametrize(
    ("single", "of"),
    [
        (batch().replace("returns (", "returns (stream "), "a stream"),
        (batch().replace("{get:", "{post:"), "a change"),
    ],
)
def test_only_reads_of_one_message_are_made_in_bulk(given: Given, single: str, of: str) -> None:
    assert mistakes(given, single, bulk()) == [
        "batch: only reads of one message each way are made in bulk"
    ], of


def test_a_bulk_method_that_is_not_there_is_refused(given: Given) -> None:
    assert mistakes(given, batch()) == [
        "batch.method: there is no served method 'shop.v1.A/GetAll'; did you mean 'shop.v1.A/Get'?"
    ]
    streams = bulk().replace("returns (", "returns (stream ")
    assert mistakes(given, batch(), streams) == [
        "batch.method: shop.v1.A/GetAll streams; what is called is of one message each way"
    ]


def test_a_bulk_method_whose_path_nothing_fills_is_refused(given: Given) -> None:
    path = 'get: "/v1/{tenant}/items"'
    assert mistakes(given, batch(), bulk(path=path)) == [
        "batch.method: nothing fills 'tenant', which is in the path of shop.v1.A/GetAll "
        "(/v1/{tenant}/items)"
    ]
    assert batched(given, batch("Ask"), bulk(path=path)).rest.fills == {"tenant"}


# Lookups.

LOOK = 'method: "shop.v1.A/Look"'
UNKNOWN = "on_unknown: LOOKUP"


def change(text: str, returns: str = "Item") -> str:
    path = 'post: "/v1/changes" body: "*"'
    return rpc("Set", "Change", returns, path, policy(f"deduplication: {{ {text} }}"))


def lookup(said: str, returns: str = "Item") -> str:
    return change(f"{UNKNOWN} lookup: {{ {LOOK} {said} }}", returns)


def look(takes: str = "Ask", returns: str = "Item", more: str = "", path: str = "") -> str:
    return rpc("Look", takes, returns, path, more)


def looked_up(given: Given, *rpcs: str) -> LookupOptions:
    options = given.served(service(*rpcs)).compositions["shop.v1.A/Set"].lookup
    assert options is not None
    return options


def pair(field: str, path: str, name: str = "request") -> str:
    return f'{name}: {{ key: "{field}" value: "{path}" }}'


def test_a_lookup_asks_by_what_both_requests_have(given: Given) -> None:
    rpcs = (lookup(""), look())
    made, options = classes(given, *rpcs), looked_up(given, *rpcs)
    assert (options.method, options.key_fields) == ("shop.v1.A/Look", ())
    assert options.request.make(made["Change"](id="1", name="n")) == made["Ask"](id="1")
    assert options.response.identity
    assert options.is_found(made["Item"]())


@pytest.mark.parametrize(
    ("said", "keys", "asked"),
    [
        (pair("tags", "key"), None, {}),
        (pair("tenant", "key"), ("tenant",), {"id": "1"}),
        (pair("tenant", "key") + pair("id", "key"), ("id", "tenant"), {"id": "1"}),
        (pair("tenant", "key") + pair("id", "name"), ("tenant",), {"id": "n"}),
        (pair("id", "name"), (), {"id": "n"}),
    ],
)
def test_a_request_may_take_the_key(
    said: str, keys: tuple[str, ...] | None, asked: dict[str, str], given: Given
) -> None:
    rpcs = (lookup(said), look())
    if keys is None:
        assert mistakes(given, *rpcs) == [
            "deduplication.lookup.request.tags: shop.v1.Ask.tags is repeated string; a key is a "
            "string"
        ]
        return
    made, options = classes(given, *rpcs), looked_up(given, *rpcs)
    request = made["Ask"]()
    options.request.fill(made["Change"](id="1", name="n"), request)
    assert options.key_fields == keys
    assert request == made["Ask"](**asked)


def test_a_request_of_the_calls_own_type_takes_the_key_and_leaves_the_call_alone(
    given: Given,
) -> None:
    rpcs = (lookup(pair("name", "key")), look("Change"))
    made, options = classes(given, *rpcs), looked_up(given, *rpcs)
    asked = made["Change"](id="1")
    assert options.request.make(asked) is not asked


@pytest.mark.parametrize(
    ("path", "empty", "found"),
    [
        ("", None, {}),
        ("items", {"state": "x"}, {"items": [{}]}),
        ("labels", {}, {"labels": {"a": ""}}),
        ("item", {"state": "x"}, {"item": {}}),
        ("state", {"item": {}}, {"state": "x"}),
        ("note", {"note": ""}, {"note": "n"}),
        ("meta.id", {"meta": {}}, {"meta": {"id": "1"}}),
        ("meta.id", {"item": {"id": "1"}}, {"meta": {"id": "1"}}),
    ],
)
def test_a_field_may_say_whether_anything_was_found(
    path: str, empty: dict[str, Any] | None, found: dict[str, Any], given: Given
) -> None:
    said = f'found: "{path}"' if path else ""
    rpcs = (lookup(said + pair("id", "item.id", "response")), look(returns="Found"))
    made, is_found = classes(given, *rpcs), looked_up(given, *rpcs).is_found
    assert is_found(made["Found"](**found))
    if empty is not None:
        assert not is_found(made["Found"](**empty))


def test_the_answer_is_made_of_what_was_found(given: Given) -> None:
    rpcs = (lookup(pair("name", "state", "response")), look(returns="Found"))
    made, options = classes(given, *rpcs), looked_up(given, *rpcs)
    assert options.response.make(made["Found"](state="x")) == made["Item"](name="x")


def test_a_lookup_that_is_off_or_not_asked_for_is_none(given: Given) -> None:
    off = change(f"disabled: true {UNKNOWN} lookup: {{ {LOOK} }}")
    for said in (off, change("on_unknown: HOLD")):
        assert given.served(service(said, look())).compositions == {}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            'lookup: { method: "shop.v1.A/Lok" }',
            "deduplication.lookup.method: there is no served method 'shop.v1.A/Lok'; did you mean "
            "'shop.v1.A/Look'?",
        ),
        (
            "",
            "deduplication.on_unknown: LOOKUP needs deduplication.lookup.method: which method "
            "tells what became of a call",
        ),
        (
            'lookup: { method: "shop.v1.A/Other" }',
            "deduplication.lookup.method: shop.v1.A/Other must have no side effects",
        ),
        (
            f"lookup: {{ {LOOK} {pair('idd', 'key')} }}",
            "deduplication.lookup.request.idd: shop.v1.Ask has no field 'idd'; did you mean 'id'?",
        ),
        (
            f"lookup: {{ {LOOK} {pair('ref', 'key')} }}",
            "deduplication.lookup.request.ref: shop.v1.Ask.ref is shop.v1.Item; a key is a string",
        ),
        (
            f"lookup: {{ {LOOK} {pair('id', 'nam')} }}",
            "deduplication.lookup.request.id: shop.v1.Change has no field 'nam'; did you mean "
            "'name'?",
        ),
        (
            f"lookup: {{ {LOOK} {pair('id', 'number')} }}",
            "deduplication.lookup.request.id: shop.v1.Ask.id is string, and shop.v1.Change.number "
            "is int64",
        ),
        (
            f"lookup: {{ {LOOK} {pair('idd', 'id', 'response')} }}",
            "deduplication.lookup.response.idd: shop.v1.Item has no field 'idd'; did you mean 'id'",
        ),
        (
            f'lookup: {{ {LOOK} found: "nam" }}',
            "deduplication.lookup.found: shop.v1.Item has no field 'nam'; did you mean 'name'?",
        ),
        (
            f'lookup: {{ {LOOK} found: "name.x" }}',
            "deduplication.lookup.found: 'name.x' leads nowhere",
        ),
    ],
)
def test_a_lookup_that_cannot_be_is_refused(given: Given, said: str, says: str) -> None:
    other = rpc("Other", "Ask", "Item", 'post: "/v1/other" body: "*"')
    (found,) = mistakes(given, change(f"{UNKNOWN} {said}"), look(), other)
    assert found.startswith(says)


def test_a_lookup_whose_path_nothing_fills_is_refused(given: Given) -> None:
    path = 'get: "/v1/{tenant}/items"'
    assert mistakes(given, lookup(pair("id", "id")), look(path=path)) == [
        "deduplication.lookup.request: nothing fills 'tenant', which is in the path of "
        "shop.v1.A/Look (/v1/{tenant}/items)"
    ]
    assert looked_up(given, lookup(pair("tenant", "key")), look(path=path)).key_fields == (
        "tenant",
    )
