import pytest

from gateway.state.redis_url import NO_CLUSTER, RedisUrl, parse_redis_url

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", RedisUrl(endpoints=(("cache", 6379),))),
        ("REDIS://cache:7000/3", RedisUrl(endpoints=(("cache", 7000),), db=3)),
        ("redis://[::1]:7000/", RedisUrl(endpoints=(("::1", 7000),))),
        ("redis://[::1]", RedisUrl(endpoints=(("::1", 6379),))),
        ("redis://my_cache.prod.", RedisUrl(endpoints=(("my_cache.prod.", 6379),))),
        (
            "rediss://joe:a%40b%2Fc@10.0.0.1:6380/0",
            RedisUrl(endpoints=(("10.0.0.1", 6380),), tls=True, username="joe", password="a@b/c"),
        ),
        ("redis://:pw@cache", RedisUrl(endpoints=(("cache", 6379),), password="pw")),
        (
            "redis+sentinel://u:pw@a,b:7,c/main/2",
            RedisUrl(
                endpoints=(("a", 26379), ("b", 7), ("c", 26379)),
                master="main",
                db=2,
                username="u",
                password="pw",
            ),
        ),
        ("redis+sentinel://a/main", RedisUrl(endpoints=(("a", 26379),), master="main")),
    ],
)
def test_says_where_the_store_is(url: str, expected: RedisUrl) -> None:
    assert parse_redis_url(url) == expected


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("cache:6379", "is not a URL: write memory://"),
        (f"{SECRET}", "is not a URL"),
        (f"//{SECRET}@cache", "is not a URL"),
        ("reddis://cache", "there is no kind of store 'reddis'; did you mean 'redis'?"),
        ("sqlite:///x", "there is no kind of store 'sqlite'; known: memory, redis, rediss"),
        ("redis+cluster://a,b", NO_CLUSTER),
        ("redis://a,b", "redis:// names one server; for Sentinels write redis+sentinel://"),
        ("redis://", "names no host"),
        (f"redis://:{SECRET}@", "names no host"),
        (f"redis://:{SECRET}@a b", "no spaces"),
        (f"redis://:a@{SECRET}@cache", "percent-encoded"),
        (f"redis://u:{SECRET}:x@cache", "percent-encoded"),
        (f"redis://u:{SECRET}/x@cache", "percent-encoded"),
        (f"redis://u:{SECRET}#x@cache", "percent-encode"),
        (f"redis://u:{SECRET}", "the port is a number"),
        (f"redis://cache/{SECRET}", "the database is a number"),
        (f"redis://cache?password={SECRET}", "has neither '?' nor '#'"),
        ("redis://cache:0", "the port is a number"),
        ("redis://cache:65536", "the port is a number"),
        ("redis://[::g]:1", "not an IPv6 address"),
        (f"redis://{SECRET}!", "names no host"),
        ("redis+sentinel://a,b", "must name the master"),
        ("redis+sentinel://a,,b/main", "names no host"),
        (f"redis+sentinel://a/{SECRET}!/0", "must name the master"),
    ],
)
def test_a_wrong_url_is_told_without_its_secrets(url: str, sentence: str) -> None:
    with pytest.raises(ValueError) as told:
        parse_redis_url(url)
    assert sentence in str(told.value)
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None


def test_no_repr_shows_credentials() -> None:
    url = parse_redis_url(f"redis+sentinel://user_{SECRET}:{SECRET}@a/main")
    assert SECRET not in repr(url)
    assert SECRET not in str(url)
