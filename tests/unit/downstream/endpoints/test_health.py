import pytest

from gateway.downstream.endpoints.health import Health
from gateway.downstream.endpoints.options import HealthOptions


@pytest.mark.parametrize(
    ("unhealthy", "healthy", "answers", "well"),
    [
        (3, 1, "", "+"),  # well until asked
        (3, 1, "---", "++-"),
        (3, 1, "--+--+", "++++++"),  # not in a row
        (3, 1, "---+", "++-+"),
        (1, 2, "-+-++-", "----+-"),
        (2, 3, "--++-+++", "+------+"),
    ],
)
def test_so_many_answers_in_a_row_change_it(unhealthy, healthy, answers, well):
    options = HealthOptions(path="/", unhealthy_threshold=unhealthy, healthy_threshold=healthy)
    one = Health(options)
    assert one.well
    before, seen = True, ""
    for answer in answers:
        assert one.answered(well=answer == "+") is (one.well is not before)
        before = one.well
        seen += "+" if one.well else "-"
    assert seen == (well if answers else "")
