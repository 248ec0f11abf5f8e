"""buf.validate in protos that are compiled here, on google's messages of a pool of their own."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config.schema import Schema, compile_protos
from gateway.core.errors import CallError
from gateway.core.status import Code
from gateway.transcode.constraints import ConstraintError, Constraints, constrained

PROTO = """syntax = "proto3";
package t.v1;
import "buf/validate/validate.proto";
message Order {
  string id = 1 [(buf.validate.field).string = {min_len: 3, max_len: 40}];
  int32 quantity = 2 [(buf.validate.field).int32 = {gt: 0, lte: 100}];
  repeated Item items = 3 [(buf.validate.field).repeated.max_items = 50];
  map<string, Item> by_name = 4;
  Order next = 5;
  map<int32, string> by_number = 6 [(buf.validate.field).map.keys.int32.gt = 0];
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


def schema_of(folder: Path, text: str) -> Schema:
    (folder / "t.proto").write_text(text)
    return compile_protos(folder)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    return schema_of(tmp_path_factory.mktemp("protos"), PROTO)


def made(schema: Schema, name: str) -> tuple[Any, Constraints]:
    descriptor = schema.pool.FindMessageTypeByName(f"t.v1.{name}")
    parts = [schema.new_message(part) for part in constrained(descriptor)]
    new = schema.new_message(descriptor)
    return new, Constraints(descriptor, new, parts)


def told(schema: Schema, name: str, **fields: Any) -> list[tuple[str, str]]:
    new, constraints = made(schema, name)
    return [(v.field, v.description) for v in constraints.violations(new(**fields))]


def test_what_holds_is_let_through(schema: Schema) -> None:
    good = {"id": "ord-1", "quantity": 3, "items": [{"sku": "ABC"}]}
    assert told(schema, "Order", **good) == []


def test_every_violation_is_told_by_its_path(schema: Schema) -> None:
    found = told(
        schema,
        "Order",
        id="x",
        quantity=0,
        items=[{"sku": "ABC"}, {"sku": "ab"}],
        by_name={"a b": {"sku": "1"}},
        next={"id": "y", "quantity": 1},
        by_number={-1: "x"},
    )
    assert {path for path, _ in found} == {
        "id",
        "quantity",
        "items[1].sku",
        'by_name["a b"].sku',
        "next.id",
        "by_number[-1]",
    }
    texts = dict(found)
    assert texts["id"] == "must be at least 3 characters"
    assert texts["by_number[-1]"].startswith("has a key that must be")


def test_expressions_are_held_too(schema: Schema) -> None:
    found = told(schema, "Order", id="abc", quantity=1, items=[{"sku": "AAA"}])
    assert found == [("items[0]", "AAA is nobody's")]


def test_a_oneof_that_is_needed_is_told(schema: Schema) -> None:
    assert [path for path, _ in told(schema, "Either")] == ["one"]
    assert told(schema, "Either", a="x") == []


def test_no_more_than_twenty_are_told(schema: Schema) -> None:
    found = told(schema, "Order", id="abc", quantity=1, items=[{"sku": "x"}] * 50)
    assert len(found) == 20


def test_only_what_carries_a_rule_is_constrained(schema: Schema) -> None:
    def names(name: str) -> set[str]:
        return {d.name for d in constrained(schema.pool.FindMessageTypeByName(f"t.v1.{name}"))}

    assert names("Plain") == set()
    assert names("Order") == {"Order", "Item"}
    assert names("Either") == {"Either"}


def test_a_rule_that_does_not_compile_stops_the_start(tmp_path: Path) -> None:
    text = PROTO.replace("this.sku != 'AAA'", "this.sku != ")
    with pytest.raises(ConstraintError, match=r"^t\.v1\.Order: .*item\.not_aaa"):
        made(schema_of(tmp_path, text), "Order")


def test_a_rule_that_fails_is_no_fault_of_the_callers(tmp_path: Path) -> None:
    text = PROTO.replace("this.sku != 'AAA'", "1 / size(this.sku) >= 0")
    new, constraints = made(schema_of(tmp_path, text), "Order")
    with pytest.raises(CallError) as raised:
        constraints.violations(new(id="abc", quantity=1, items=[{}]))
    assert raised.value.code is Code.INTERNAL
    assert "t.v1.Order" in raised.value.message


def test_the_proto_need_not_bring_the_import_along(schema: Schema) -> None:
    assert [s.full_name for s in schema.services()] == []
    assert "t.v1.Order" in [
        m.full_name for m in schema.pool.FindFileByName("t.proto").message_types_by_name.values()
    ]
