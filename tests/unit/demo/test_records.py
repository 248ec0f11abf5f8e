import pytest

from gateway.demo.records import MissingError, Records


@pytest.fixture
def records() -> Records:
    made = Records("id", "r", 11)
    for name in "abcde":
        made.add({"name": name})
    return made


def everything(_record: object) -> bool:
    return True


def test_ids_are_given_in_order_and_never_taken_from_the_record(records: Records) -> None:
    assert records.add({"name": "f", "id": "mine"}) == {"id": "r-16", "name": "f"}


def test_a_record_can_be_added_under_an_id(records: Records) -> None:
    records.add({"name": "g"}, "special")
    assert records.get("special")["name"] == "g"


def test_named_fields_are_changed_and_absent_ones_removed(records: Records) -> None:
    records.get("r-11")["note"] = "x"
    changed = records.change("r-11", {"name": "z", "other": 1}, ["name", "note"])
    assert changed == {"id": "r-11", "name": "z"} == records.get("r-11")


def test_without_names_every_given_field_is_changed_but_the_id(records: Records) -> None:
    assert records.change("r-11", {"id": "r-12", "x": 1}, None) == {
        "id": "r-11",
        "name": "a",
        "x": 1,
    }


@pytest.mark.parametrize(
    "act",
    [
        lambda r: r.get("r-99"),
        lambda r: r.change("r-99", {}, None),
        lambda r: r.remove("r-99"),
        lambda r: r.page(1, "r-99", everything),
    ],
)
def test_what_does_not_exist_is_missing(records: Records, act) -> None:
    with pytest.raises(MissingError):
        act(records)


def test_a_removed_record_is_missing(records: Records) -> None:
    records.remove("r-11")
    with pytest.raises(MissingError):
        records.get("r-11")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_pages_hold_every_record_once(records: Records, size: int) -> None:
    found, token = [], ""
    while True:
        page, token = records.page(size, token, everything)
        assert 0 < len(page) <= size
        found += [record["name"] for record in page]
        if not token:
            break
    assert found == list("abcde")


def test_only_wanted_records_count(records: Records) -> None:
    page, token = records.page(1, "", lambda record: record["name"] in "bd")
    assert ([r["name"] for r in page], token) == (["b"], "r-12")
    page, token = records.page(1, token, lambda record: record["name"] in "bd")
    assert ([r["name"] for r in page], token) == (["d"], "")
