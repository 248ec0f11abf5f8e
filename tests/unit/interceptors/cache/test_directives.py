"""What headers of an answer say of keeping it (RFC 9111)."""

import pytest

from gateway.interceptors.cache.directives import Directives, directives


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Directives()),
        ("no-store", Directives(no_store=True)),
        ("No-Store, max-age=5", Directives(no_store=True, max_age_s=5)),
        ("private, no-cache", Directives(private=True, no_cache=True)),
        ('private="x-a, no-store", max-age=7', Directives(private=True, max_age_s=7)),
        ("max-age=60,stale-while-revalidate=30 , stale-if-error=3600",
         Directives(max_age_s=60, stale_while_revalidate_s=30, stale_if_error_s=3600)),
        ("max-age=60, max-age=5", Directives(max_age_s=60)),
        ('max-age="60"', Directives(max_age_s=60)),
        ("max-age=-1", Directives(max_age_s=0)),
        ("max-age=1.5", Directives(max_age_s=0)),
        ("max-age", Directives(max_age_s=0)),
        ("max-age=99999999999999999999999", Directives(max_age_s=2.0**31)),
        ("must-revalidate", Directives(must_revalidate=True)),
        ('foo="unclosed, no-store', Directives()),
        (",,=,;;", Directives()),
        ("s-maxage=9, max-age=3, proxy-revalidate", Directives(max_age_s=3)),
    ],
)  # fmt: skip
def test_cache_control_of_one_caller(text: str, expected: Directives) -> None:
    assert directives({"cache-control": text}, shared=False) == expected


@pytest.mark.parametrize(("vary", "kept"), [("*", False), ("accept, *", False), ("accept", True)])
def test_what_depends_on_everything_is_not_kept(vary: str, kept: bool) -> None:
    assert directives({"vary": vary}, shared=False).no_store is not kept


def test_what_is_for_shared_caches_counts_for_them() -> None:
    said = directives({"cache-control": "max-age=3, s-maxage=9"}, shared=True)
    assert (said.max_age_s, said.must_revalidate) == (9, True)
    assert directives({"cache-control": "proxy-revalidate"}, shared=True).must_revalidate


DATE = "Wed, 25 Nov 2026 05:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "max_age_s"),
    [
        ({"expires": "Wed, 25 Nov 2026 05:01:00 GMT", "date": DATE}, 60),
        ({"expires": "Wed, 25 Nov 2026 04:59:00 GMT", "date": DATE}, 0),
        ({"expires": "0", "date": DATE}, 0),
        ({"expires": "Wed, 25 Nov 2026 05:01:00 GMT"}, 0),
        ({"expires": "Wed, 25 Nov 2026 05:01:00 GMT", "date": DATE, "cache-control": "max-age=5"},
         5),
        ({}, None),
    ],
)  # fmt: skip
def test_expires_counts_where_max_age_is_not_said(
    headers: dict[str, str], max_age_s: float | None
) -> None:
    assert directives(headers, shared=False).max_age_s == max_age_s


def test_the_age_on_arrival_is_told() -> None:
    assert directives({"age": "12"}, shared=False).age_s == 12
    assert directives({"age": "x"}, shared=False).age_s == 0
