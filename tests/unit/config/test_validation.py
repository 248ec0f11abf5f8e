"""Mistakes in rules of buf.validate are told with the line where they are declared."""

from .conftest import HEAD_LINES, Given

BODY = """import "buf/validate/validate.proto";
service Shop { %s }
message Outer {
  string fine = 1;
  message Inner {
    string a = 1;
    string
      b = 2 [(buf.validate.field).string.pattern = "("];
    oneof one { string c = 3 [(buf.validate.field).int32.gt = 1]; }
  }
  Inner inner = 2;
}
message Whole {
  string name = 1;
  option (buf.validate.message).cel = {id: "x" expression: "this.nothing == 1"};
}
"""
RPC = 'rpc Get%s(%s) returns (Item) { option (google.api.http) = {post: "/v1/%s" body: "*"}; }'


def test_a_mistake_in_a_rule_is_told_with_its_line(given: Given) -> None:
    rpcs = " ".join(RPC % (name, name, name) for name in ("Outer", "Whole"))
    lines = given.mistakes(BODY % rpcs)
    places = {line.split(": ")[1]: line.split(": ")[0] for line in lines}
    assert places == {
        "shop.v1.Outer.Inner.b": f"shop.proto:{HEAD_LINES + 7}",
        "shop.v1.Outer.Inner.c": f"shop.proto:{HEAD_LINES + 9}",
        "shop.v1.Whole": f"shop.proto:{HEAD_LINES + 13}",
    }
