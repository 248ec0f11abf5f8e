"""Keys under which answers are shared: each rule of transcode/sharing.py."""

import pytest
from fakes.clock import FakeClock
from google.protobuf import struct_pb2
from support.calls import new_call

from gateway.core.call import Call
from gateway.core.identity import Identity
from gateway.transcode.sharing import ShareKey


def call(text: str = "x", caller: str = "", **metadata: str) -> Call:
    made = new_call(
        FakeClock(), metadata=tuple((k.replace("_", "-"), v) for k, v in metadata.items())
    )
    made.message = struct_pb2.Value(string_value=text)
    if caller:
        made.identity = Identity(caller, "keys")
    return made


KEY = ShareKey("shop.v1.Orders/Get", ["authorization", "Accept-Language"])


def test_equal_calls_have_one_key() -> None:
    assert KEY(call(authorization="a", x="1")) == KEY(call(authorization="a", x="2"))


@pytest.mark.parametrize(
    "other",
    [
        call("y", "anna", authorization="a"),
        call("x", "otto", authorization="a"),
        call("x", "", authorization="a"),
        call("x", "anna", authorization="b"),
        call("x", "anna"),
        call("x", "anna", authorization="a", accept_language="de"),
    ],
)
def test_what_counts_makes_another_key(other: Call) -> None:
    assert KEY(call("x", "anna", authorization="a")) != KEY(other)


def test_another_method_has_other_keys() -> None:
    assert ShareKey("a/B")(call()) != ShareKey("a/C")(call())


def test_where_the_answer_does_not_depend_on_the_caller_all_share() -> None:
    shared = ShareKey("shop.v1.Orders/Get", by_caller=False)
    assert shared(call("x", "anna", authorization="a")) == shared(call("x", "otto"))


def test_the_order_of_keys_says_nothing_and_that_of_values_does() -> None:
    def pairs(*metadata: tuple[str, str]) -> bytes:
        made = call()
        made.metadata = metadata
        return KEY(made)

    one, two, language = ("authorization", "1"), ("authorization", "2"), ("accept-language", "de")
    assert pairs(one, language, two) == pairs(language, one, two)
    assert pairs(one, two) != pairs(two, one)
    assert pairs(("authorization", "12")) != pairs(("authorization", "1"), ("authorization", "2"))


def test_fields_that_do_not_count_are_left_out_and_stay_in_the_request() -> None:
    key = ShareKey("m", ignored=["struct_value.fields", "string_value"])
    one, other = call("x"), call("y")
    assert key(one) == key(other)
    assert one.message.string_value == "x"


def test_nothing_can_be_read_from_a_key() -> None:
    assert b"secret" not in KEY(call("secret", "secret", authorization="secret"))
