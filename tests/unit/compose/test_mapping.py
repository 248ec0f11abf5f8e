import pytest
from compose.v1.compose_pb2 import (
    LARGE,
    Basket,
    BatchRequest,
    Cart,
    GetRequest,
    Invoice,
    Line,
    Order,
    Overview,
    Owner,
    Row,
    Source,
    Target,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.compose.mapping import MappingError, compile_mapping

SOURCE, TARGET, ORDER = Source.DESCRIPTOR, Target.DESCRIPTOR, Order.DESCRIPTOR


def mapped(source, fields):
    made = compile_mapping(SOURCE, TARGET, fields).make(source)
    assert type(made) is Target
    return made


@pytest.mark.parametrize(
    ("fields", "source", "target"),
    [
        ({"text": "text"}, Source(text="a"), Target(text="a")),
        ({"text": "order.id"}, Source(order=Order(id="7")), Target(text="7")),
        (
            {"text": "order.owner.name"},
            Source(order=Order(owner=Owner(name="Ann"))),
            Target(text="Ann"),
        ),
        ({"number": "number"}, Source(number=-3), Target(number=-3)),  # sint32 of an int32
        ({"kind": "kind"}, Source(kind=LARGE), Target(kind=LARGE)),
        ({"data": "raw"}, Source(raw=b"\xff"), Target(data=b"\xff")),
        ({"first": "order"}, Source(order=Order(id="7")), Target(first=Order(id="7"))),
        ({"tags": "tags"}, Source(tags=["a", "b"]), Target(tags=["a", "b"])),
        ({"orders": "orders"}, Source(orders=[Order(id="7")]), Target(orders=[Order(id="7")])),
        ({"labels": "labels"}, Source(labels={"a": "b"}), Target(labels={"a": "b"})),
        (
            {"by_name": "by_name"},
            Source(by_name={"a": Order(id="7")}),
            Target(by_name={"a": Order(id="7")}),
        ),
        ({"other": "left"}, Source(left="l"), Target(other="l")),
    ],
)
def test_every_sort_of_field_is_taken_along(fields, source, target):
    assert mapped(source, fields) == target


@pytest.mark.parametrize(
    "fields",
    [
        {"other": "maybe"},
        {"other": "text"},  # without presence its default counts as unset
        {"count": "maybe_number"},
        {"count": "number"},
        {"other": "left"},
        {"other": "order.owner.name"},
        {"first": "order"},
        {"tags": "tags"},
        {"by_name": "by_name"},
    ],
)
def test_what_is_unset_leaves_its_target_unset(fields):
    assert mapped(Source(right="r"), fields).ListFields() == []


def test_a_default_that_is_set_is_a_value():
    made = mapped(Source(maybe="", maybe_number=0, order=Order()), {
        "other": "maybe",
        "count": "maybe_number",
        "first": "order",
    })  # fmt: skip
    assert made.HasField("other")
    assert made.HasField("count")
    assert made.HasField("first")


def test_without_fields_all_of_the_same_name_and_type_are_taken():
    source = Source(
        text="a", maybe="b", maybe_number=4, raw=b"c", order=Order(id="7"), tags=["t"], amount=1.5
    )
    assert mapped(source, {}) == Target(text="a", maybe="b", tags=["t"])


def test_a_source_of_the_targets_type_is_handed_on_itself():
    mapping = compile_mapping(ORDER, ORDER, {})
    order = Order(id="7")
    assert mapping.identity
    assert mapping.make(order) is order
    into = Order(owner=Owner(name="Ann"))
    mapping.fill(order, into)
    assert into == Order(id="7", owner=Owner(name="Ann"))


def test_what_is_copied_is_not_shared():
    source = Source(order=Order(id="7"), orders=[Order(id="8")])
    made = mapped(source, {"first": "order", "orders": "orders"})
    made.first.id = made.orders[0].id = "changed"
    assert source == Source(order=Order(id="7"), orders=[Order(id="8")])


def test_the_empty_path_is_the_source_itself():
    mapping = compile_mapping(ORDER, Overview.DESCRIPTOR, {"order": ""})
    overview = Overview(note="kept")
    mapping.fill(Order(), overview)  # empty, and yet there
    assert overview.HasField("order")
    assert overview.note == "kept"


def test_an_element_of_a_list_is_a_source_too():
    ids = BatchRequest.DESCRIPTOR.fields_by_name["ids"]
    assert compile_mapping(ids, GetRequest.DESCRIPTOR, {"id": ""}).make("7") == GetRequest(id="7")
    gets = BatchRequest.DESCRIPTOR.fields_by_name["gets"]
    assert compile_mapping(gets, GetRequest.DESCRIPTOR, {}).identity
    mapping = compile_mapping(gets, ORDER, {"id": "id"})
    assert mapping.make(GetRequest(id="7", locale="de")) == Order(id="7")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tekst": "text"}, "compose.v1.Target has no field 'tekst'; did you mean 'text'?"),
        ({"text": "txt"}, "compose.v1.Source has no field 'txt'; did you mean 'text'?"),
        ({"text": "order.name"}, "compose.v1.Order has no field 'name'"),
        (
            {"text": "orders.id"},
            "compose.v1.Source.orders is repeated compose.v1.Order, so 'orders.id' leads nowhere",
        ),
        ({"text": "tags.id"}, "compose.v1.Source.tags is repeated string, so 'tags.id'"),
        ({"text": "text.id"}, "compose.v1.Source.text is string, so 'text.id' leads nowhere"),
        ({"text": "order"}, "Target.text is string, and compose.v1.Source.order is compose.v1.Or"),
        ({"text": "raw"}, "Target.text is string, and compose.v1.Source.raw is bytes"),
        ({"count": "kind"}, "Target.count is int32, and compose.v1.Source.kind is compose.v1.Kind"),
        ({"tags": "text"}, "Target.tags is repeated string, and compose.v1.Source.text is string"),
        ({"text": "tags"}, "Target.text is string, and compose.v1.Source.tags is repeated string"),
        ({"labels": "by_name"}, "is map<string, string>, and compose.v1.Source.by_name is map<st"),
        ({"first": ""}, "compose.v1.Target.first is compose.v1.Order, not compose.v1.Source"),
        ({"number": "amount"}, "Target.number is int32, and compose.v1.Source.amount is double"),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_a_mistake(fields, says):
    with pytest.raises(MappingError) as raised:
        compile_mapping(SOURCE, TARGET, fields)
    ((field, text),) = raised.value.mistakes
    assert field == next(iter(fields))
    assert says in text


def test_every_mistake_is_told():
    with pytest.raises(MappingError) as raised:
        compile_mapping(SOURCE, TARGET, {"text": "x", "number": "text", "kind": "kind"})
    assert [field for field, _ in raised.value.mistakes] == ["number", "text"]


def test_an_element_without_fields_has_to_be_put_somewhere():
    ids = BatchRequest.DESCRIPTOR.fields_by_name["ids"]
    for fields, says in (({}, "say which field"), ({"id": "name"}, "leads nowhere")):
        with pytest.raises(MappingError, match=says):
            compile_mapping(ids, GetRequest.DESCRIPTOR, fields)
    with pytest.raises(MappingError, match="Order, not string"):
        compile_mapping(ids, TARGET, {"first": ""})


# Lists of messages of two types.


def invoiced(source, fields):
    return compile_mapping(source.DESCRIPTOR, Invoice.DESCRIPTOR, fields).make(source)


def test_each_element_of_a_list_is_made_of_its_like():
    line = Line(
        id="a", count=0, owner=Owner(name="Ann"), tags=["t", "u"], labels={"x": "y"}, kind="k"
    )
    line.parts.add(id="part")
    made = invoiced(Basket(lines=[line, Line(id="b")]), {"rows": "lines"})
    first = Row(id="a", count=0, owner=Owner(name="Ann"), tags=["t", "u"], labels={"x": "y"})
    assert list(made.rows) == [first, Row(id="b")]  # kind and parts hold something else
    assert [row.HasField("count") for row in made.rows] == [True, False]
    assert [row.HasField("owner") for row in made.rows] == [True, False]


def test_an_element_with_nothing_to_take_is_an_empty_one_at_its_place():
    made = invoiced(Basket(lines=[Line(), Line(id="b"), Line(kind="k")]), {"rows": "lines"})
    assert list(made.rows) == [Row(), Row(id="b"), Row()]


def test_a_list_may_be_far_in():
    cart = Cart(basket=Basket(lines=[Line(id="a")]))
    assert list(invoiced(cart, {"rows": "basket.lines"}).rows) == [Row(id="a")]
    assert invoiced(Cart(), {"rows": "basket.lines"}) == Invoice()
    assert invoiced(Basket(), {"rows": "lines"}) == Invoice()


def test_a_list_within_an_element_is_taken_too():
    parts = compile_mapping(Basket.DESCRIPTOR.fields_by_name["lines"], Row.DESCRIPTOR, {
        "id": "id",
        "parts": "parts",
    })  # fmt: skip
    assert parts.make(Line(id="a", parts=[Line(id="b")])) == Row(id="a", parts=[Row(id="b")])


def test_elements_that_are_made_are_not_shared():
    basket = Basket(lines=[Line(id="a", owner=Owner(name="Ann"), tags=["t"])])
    made = invoiced(basket, {"rows": "lines"})
    made.rows[0].owner.name = "changed"
    made.rows[0].tags.append("changed")
    assert basket == Basket(lines=[Line(id="a", owner=Owner(name="Ann"), tags=["t"])])


def test_without_fields_only_lists_of_one_type_are_taken():
    mapping = compile_mapping(Line.DESCRIPTOR, Row.DESCRIPTOR, {})
    assert mapping.make(Line(id="a", parts=[Line(id="b")])) == Row(id="a")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"owners": "lines"},  # nothing in common
            "compose.v1.Invoice.owners is repeated compose.v1.Owner, and compose.v1.Basket.lines "
            "is repeated compose.v1.Line",
        ),
        ({"row": "lines"}, "Invoice.row is compose.v1.Row, and compose.v1.Basket.lines is repeate"),
        ({"texts": "lines"}, "Invoice.texts is repeated string, and compose.v1.Basket.lines is re"),
        ({"rows": "by_id"}, "is repeated compose.v1.Row, and compose.v1.Basket.by_id is map<strin"),
        ({"by_id": "lines"}, "Invoice.by_id is map<string, compose.v1.Row>, and compose.v1.Basket"),
        ({"by_id": "by_id"}, "map<string, compose.v1.Row>, and compose.v1.Basket.by_id is map<str"),
        ({"rows": "lines.parts"}, "Basket.lines is repeated compose.v1.Line, so 'lines.parts' lea"),
    ],
)
def test_lists_that_do_not_fit_are_a_mistake(fields, says):
    with pytest.raises(MappingError) as raised:
        compile_mapping(Basket.DESCRIPTOR, Invoice.DESCRIPTOR, fields)
    ((field, text),) = raised.value.mistakes
    assert field == next(iter(fields))
    assert says in text


@given(
    text=st.text(), number=st.integers(-(2**31), 2**31 - 1), tags=st.lists(st.text(), max_size=4)
)
def test_what_is_mapped_and_mapped_back_is_what_it_was(text, number, tags):
    fields = {"text": "text", "number": "number", "tags": "tags"}
    there, back = compile_mapping(SOURCE, TARGET, fields), compile_mapping(TARGET, SOURCE, fields)
    source = Source(text=text, number=number, tags=tags)
    assert back.make(there.make(source)) == source
