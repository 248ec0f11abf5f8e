import pytest

from gateway.interceptors.retry.share import HedgeShare


@pytest.mark.parametrize(("max_share", "calls"), [(0.02, 50), (0.05, 20), (0.5, 2), (1.0, 1)])
def test_the_first_calls_give_no_hedge(max_share, calls):
    share = HedgeShare(max_share)
    for _ in range(calls - 1):
        share.earn()
        assert not share.affords
    share.earn()
    assert share.affords
    share.spend()
    assert not share.affords


def test_a_share_of_zero_allows_none():
    share = HedgeShare(0)
    for _ in range(100_000):
        share.earn()
    assert not share.affords


@pytest.mark.parametrize("max_share", [0.02, 0.03, 0.1, 0.7])
def test_hedges_are_at_most_their_share_of_all_calls(max_share):
    share, hedges = HedgeShare(max_share), 0
    for call in range(1, 3000):
        share.earn()
        if share.affords:
            share.spend()
            hedges += 1
        assert hedges <= max_share * call + 1e-9
    assert hedges >= max_share * 3000 - 2


@pytest.mark.parametrize(("max_share", "most"), [(0.02, 10), (1.0, 500), (0.0005, 1)])
def test_what_is_saved_is_bounded(max_share, most):
    share, hedges = HedgeShare(max_share), 0
    for _ in range(100_000):
        share.earn()
    while share.affords:
        share.spend()
        hedges += 1
    assert hedges == most
