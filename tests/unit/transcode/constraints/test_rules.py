"""Every rule at the top of rules.py, with protos that protoc compiles."""

import subprocess
import sys
import time
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from support.constrained import HEAD, Constrained, compiled

from gateway.config.schema import Schema
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.status import Code
from gateway.transcode.constraints import ConstraintError, Rules, constrained

PROTO = """
message Order {
  string id = 1 [(buf.validate.field).string = {min_len: 3, max_len: 40}];
  int32 quantity = 2 [(buf.validate.field).int32 = {gt: 0, lte: 100}];
  repeated Item items = 3 [(buf.validate.field).repeated.max_items = 50];
  map<string, Item> by_name = 4;
  Order next = 5;
}
message Item {
  string sku = 1 [(buf.validate.field).string.pattern = "^[A-Z]{3}$"];
  option (buf.validate.message).cel = {
    id: "item.not_aaa" message: "AAA is nobody's" expression: "this.sku != 'AAA'"
  };
}
message Either {
  oneof one { option (buf.validate.oneof).required = true; string a = 1; string b = 2; }
}
message Plain { string id = 1; Other other = 2; }
message Other { string id = 1; }
"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compiled(PROTO)


@pytest.fixture(scope="module")
def order(schema: Schema) -> Constrained:
    return Constrained(schema, "Order")


def test_only_what_carries_a_rule_is_constrained(schema: Schema) -> None:
    def names(name: str) -> set[str]:
        return {d.name for d in constrained(schema.pool.FindMessageTypeByName(f"t.v1.{name}"))}

    assert names("Plain") == set()
    assert names("Order") == {"Order", "Item"}
    assert names("Either") == {"Either"}
    plain = schema.pool.FindMessageTypeByName("t.v1.Plain")
    assert Rules(schema.new_message).of(plain) is None


def test_what_holds_is_let_through(order: Constrained) -> None:
    assert order.told(id="ord-1", quantity=3, items=[{"sku": "ABC"}]) == []


def test_all_violations_of_a_small_message_are_told(order: Constrained) -> None:
    found = order.told(
        id="x",
        quantity=0,
        items=[{"sku": "ABC"}, {"sku": "ab"}],
        by_name={"a b": {"sku": "1"}},
        next={"id": "y", "quantity": 1},
    )
    assert {path for path, _ in found} == {
        *("id", "quantity", "items[1].sku", 'by_name["a b"].sku', "next.id")
    }
    assert dict(found)["id"] == "must be at least 3 characters"


def test_expressions_are_held_too(order: Constrained) -> None:
    found = order.told(id="abc", quantity=1, items=[{"sku": "AAA"}])
    assert found == [("items[0]", "AAA is nobody's")]


def test_a_oneof_that_is_needed_is_told(schema: Schema) -> None:
    either = Constrained(schema, "Either")
    assert [path for path, _ in either.told()] == ["one"]
    assert either.told(a="x") == []


def test_of_a_large_message_the_first_violation_is_told() -> None:
    many = Constrained(
        compiled(
            "message M { repeated int32 n = 1 [(buf.validate.field).repeated.items.int32.gt=0]; }"
        )
    )
    assert [path for path, _ in many.told(n=[0, 0, 0])] == ["n[0]", "n[1]", "n[2]"]
    assert [path for path, _ in many.told(n=[0] * 250_000)] == ["n[0]"]


@pytest.mark.parametrize(
    ("declared", "fields"),
    [
        ("repeated N n = 1;", {"n": [{}] * 200}),
        ("map<int32, N> n = 1;", {"n": {i: {} for i in range(200)}}),
        (
            "N one = 1; message Deep { repeated N n = 1; } Deep deep = 2;",
            {"deep": {"n": [{}] * 200}},
        ),
    ],
)
def test_messages_inside_messages_make_it_large(declared: str, fields: dict[str, object]) -> None:
    nested = "message N { string a = 1 [(buf.validate.field).string.min_len=1]; string b = 2; }"
    large = Constrained(compiled(f"{nested} message M {{ {declared} }}"))
    message = large.new()
    for name, value in fields.items():
        if isinstance(value, dict) and name == "n":
            for key in value:
                message.n[key].SetInParent()
        else:
            message.MergeFrom(large.new(**{name: value}))
    assert len(large.told(message)) == 1


MISTAKES = [
    ("string a = 1 [(buf.validate.field).string.pattern = '('];", "M.a", "missing )"),
    ("string a = 1 [(buf.validate.field).int32.gt = 1];", "M.a", "expected rule"),
    (
        "repeated string a = 1 [(buf.validate.field).repeated.items.int32.gt = 1];",
        "M.a",
        "expected",
    ),
    (
        "map<string, string> a = 1 [(buf.validate.field).map.keys.string.pattern='('];",
        "M.a",
        "miss",
    ),
    ("string a = 1 [(buf.validate.field).cel = {id: 'x' expression: 'this =='}];", "M.a", "Syntax"),
    ("string a = 1 [(buf.validate.field).cel = {id: 'x' expression: '3'}];", "M.a", "unexpected"),
    (
        "string a = 1; oneof o { string b = 2 [(buf.validate.field).bool.const = true]; }",
        "M.b",
        "exp",
    ),
    (
        "string a = 1; option (buf.validate.message).cel = {id: 'x' expression: 'this.b == 1'};",
        "M",
        "b",
    ),
    ("string a = 1; option (buf.validate.message).oneof = {fields: ['zz']};", "M", "zz"),
]


@pytest.mark.parametrize(("body", "name", "text"), MISTAKES, ids=[body for body, *_ in MISTAKES])
def test_a_rule_that_is_none_is_told_with_file_and_field(body: str, name: str, text: str) -> None:
    first = "string first = 99 [(buf.validate.field).string.min_len = 1];"
    with pytest.raises(ConstraintError) as raised:
        Constrained(
            compiled(f"message Outer {{ M m = 1; }} message M {{ {first} {body} }}"), "Outer"
        )
    (problem,) = raised.value.problems
    assert problem.where == "t.proto"
    assert problem.text.startswith(f"t.v1.{name}: ")
    assert text in problem.text


def test_all_mistakes_of_all_types_are_told_at_once() -> None:
    bad = "[(buf.validate.field).string.pattern = '('];"
    odd = "option (buf.validate.message).cel = {id: 'x' expression: 'this =='};"
    schema = compiled(
        f"message M {{ A a = 2; B b = 3; message A {{ string a = 1 {bad} string b = 2 {bad} }} }}\n"
        f"message B {{ string B = 1 {bad} {odd} oneof o {{ option (buf.validate.oneof).required = "
        f"true; string c = 3; }} }}"
    )
    with pytest.raises(ConstraintError) as raised:
        Constrained(schema)
    names = [problem.text.split(":")[0] for problem in raised.value.problems]
    assert sorted(names) == ["t.v1.B", "t.v1.B.B", "t.v1.M.A.a", "t.v1.M.A.b"]


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


NEWER = _varint(777 << 3) + b"\x01"


@pytest.mark.parametrize(
    ("where", "rules"),
    [
        ("string", _field(14, NEWER)),  # in StringRules
        ("string", NEWER),  # beside them
        ("string", _field(23, NEWER)),  # in an expression
        ("string", _varint(27 << 3) + b"\x63"),  # a way to ignore that nobody knows
        ("repeated string", _field(18, _field(4, NEWER))),  # in the rules of items
    ],
)
def test_a_rule_of_a_newer_version_is_not_passed_over(where: str, rules: bytes) -> None:
    with pytest.raises(ConstraintError, match=r"t\.v1\.M\.a: .*(field|unknown rules)"):
        Constrained(_with_option(f"message M {{ {where} a = 1; }}", rules))


@pytest.mark.parametrize("of_what", ["message", "oneof"])
def test_nor_one_of_a_message_or_a_oneof(of_what: str) -> None:
    schema = _with_option("message M { oneof o { string a = 1; } }", NEWER, of_what)
    with pytest.raises(ConstraintError, match=r"holds field 777, which this version"):
        Constrained(schema)


def _with_option(text: str, rules: bytes, of_what: str = "field") -> Schema:
    source = compiled(text).pool.FindFileByName("t.proto")
    file = descriptor_pb2.FileDescriptorProto()
    source.CopyToProto(file)
    message = file.message_type[0]
    carriers = {"field": message.field[0], "message": message}
    carriers |= {"oneof": message.oneof_decl[0]} if message.oneof_decl else {}
    carriers[of_what].options.MergeFromString(_field(1159, rules))
    files = [file]
    for needed in source.dependencies:
        files.append(descriptor_pb2.FileDescriptorProto())
        needed.CopyToProto(files[-1])
    return Schema([*files, *_rest(files)], "test")


def _rest(
    files: list[descriptor_pb2.FileDescriptorProto],
) -> list[descriptor_pb2.FileDescriptorProto]:
    known = {one.name for one in files}
    missing = {name for one in files for name in one.dependency} - known
    found = descriptor_pb2.FileDescriptorProto()
    descriptor_pb2.DESCRIPTOR.CopyToProto(found)
    return [found] if found.name in missing else []


def test_rules_that_users_define_are_held_too() -> None:
    own = (
        'syntax = "proto2"; package own; import "buf/validate/validate.proto";\n'
        "extend buf.validate.StringRules { optional string not_in_own = 80048952 "
        "[(buf.validate.predefined).cel = {id: 'own' message: 'is taken' "
        "expression: 'this != rule'}]; }"
    )
    rule = "(buf.validate.field).string.(own.not_in_own) = 'x'"
    taken = Constrained(
        compiled(f'import "own.proto"; message M {{ string a = 1 [{rule}]; }}', own=own)
    )
    assert taken.told(a="x") == [("a", "is taken")]
    assert taken.told(a="y") == []


def test_types_of_one_name_in_two_pools_do_not_meet() -> None:
    least = Constrained(
        compiled("message M { string a = 1 [(buf.validate.field).string.min_len=2]; }")
    )
    most = Constrained(
        compiled("message M { string a = 1 [(buf.validate.field).string.max_len=1]; }")
    )
    for _ in range(2):
        assert [least.told(a="x"), least.told(a="xx")] == [
            [("a", "must be at least 2 characters")],
            [],
        ]
        assert [most.told(a="x"), most.told(a="xx")] == [
            [],
            [("a", "must be at most 1 characters")],
        ]


@pytest.mark.parametrize(
    ("expression", "fields"),
    [
        ("1 / size(this.a) >= 0", {"a": ""}),
        ("this.n + 1 > 0", {"n": 2**63 - 1}),
        ("this.n == 0 || this.t[0] == 'x'", {"n": 1}),
        ("this.a == '' || timestamp(this.a) > timestamp('2020-01-01T00:00:00Z')", {"a": "x"}),
    ],
)
def test_a_rule_that_fails_on_values_is_told_to_whoever_sent_them(
    expression: str, fields: dict[str, Any]
) -> None:
    rule = f'{{id: "x" message: "m" expression: "{expression}"}}'
    fails = Constrained(
        compiled(
            "message M { string a=1; int64 n=2; repeated string t=3; "
            f"option (buf.validate.message).cel = {rule}; }}"
        )
    )
    with pytest.raises(CallError) as raised:
        fails.told(**fields)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert "t.v1.M" in raised.value.message
    assert fails.told(a="2021-01-01T00:00:00Z", n=1, t=["x"]) == []


def test_how_many_items_there_may_be_is_looked_at_before_they_are() -> None:
    rule = "{id: 'x' message: 'm' expression: \"this.size() < 50 && !this.contains('zz')\"}"
    of_items = f"(buf.validate.field).repeated.items.cel = {rule}"
    free, bound = (
        Constrained(compiled(f"message M {{ repeated string t=1 [{said}{of_items}]; }}"))
        for said in ("", "(buf.validate.field).repeated.max_items = 1000, ")
    )
    taken = []
    for many in (free, bound):
        message = many.new(t=["x" * 20] * 50_000)
        began = time.perf_counter()
        many.constraints.violations(message)
        taken.append(time.perf_counter() - began)
    assert taken[1] < taken[0] / 5, taken


def test_what_was_found_before_a_rule_failed_is_told() -> None:
    rule = "{id: 'x' expression: '1 / size(this.a) >= 0'}"
    body = "repeated string b = 2 [(buf.validate.field).repeated.min_items=1]; N n = 3"
    fails = Constrained(
        compiled(
            f"message M {{ {body}; }} "
            f"message N {{ string a=1; option (buf.validate.message).cel = {rule}; }}"
        )
    )
    message = fails.new()
    message.n.SetInParent()
    assert [path for path, _ in fails.told(message)] == ["b"]


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("bytes a = 1 [(buf.validate.field).bytes.pattern = '^a$'];", {"a": b"\xff"}),
        (
            "repeated int32 a = 1 [(buf.validate.field).cel = "
            "{id: 'x' expression: 'this.all(n, n > 0)'}];",
            {"a": [1] * 1_000_000},
        ),
    ],
)
def test_values_that_no_rule_is_for_are_the_callers(rule: str, fields: dict[str, object]) -> None:
    one = Constrained(compiled(f"message M {{ {rule} }}"))
    with pytest.raises(CallError) as raised:
        one.told(**fields)
    assert raised.value.reason is Reason.INVALID_REQUEST
    assert raised.value.origin is Origin.CALLER


def test_nothing_is_imported_where_nothing_is_constrained() -> None:
    imported = "import sys, gateway.config.schema, gateway.transcode.constraints"
    code = f"{imported}; print('protovalidate' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_proto_need_not_bring_the_import_along(schema: Schema) -> None:
    assert 'import "buf/validate/validate.proto"' in HEAD
    assert [s.full_name for s in schema.services()] == []
    assert "Order" in schema.pool.FindFileByName("t.proto").message_types_by_name
