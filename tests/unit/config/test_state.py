import pytest
from google.protobuf.json_format import ParseDict
from seawall.config.v1.config_pb2 import State

from gateway.config.state import (
    MAY_BE_FILE,
    StateOptions,
    state_doubts,
    state_mistakes,
    state_options,
)
from gateway.state.redis_url import RedisUrl

SECRET = "hunter2"


def state(**said: str) -> State:
    return ParseDict(said, State())


@pytest.mark.parametrize("said", [{}, {"shared": "memory://"}, {"shared": "MEMORY://"}])
def test_by_itself_each_process_counts_alone(said: dict[str, str]) -> None:
    assert state_options(state(**said)) == StateOptions(shared=None, limit_timeout_s=0.005)
    assert list(state_mistakes(state(**said))) == []


def test_says_where_and_for_how_long() -> None:
    said = state(shared=f"rediss://joe:{SECRET}@cache/2", limit_timeout="0.020s")
    assert list(state_mistakes(said)) == []
    options = state_options(said)
    assert options == StateOptions(
        shared=RedisUrl(
            endpoints=(("cache", 6379),), db=2, tls=True, username="joe", password=SECRET
        ),
        limit_timeout_s=0.02,
    )
    assert SECRET not in repr(options)


@pytest.mark.parametrize(
    ("said", "path", "sentence"),
    [
        ({"shared": "reddis://cache"}, "shared", "did you mean 'redis'?"),
        ({"shared": "memroy://"}, "shared", "did you mean 'memory'?"),
        ({"shared": "memory"}, "shared", "write memory://, with nothing behind it"),
        ({"shared": f"memory://{SECRET}"}, "shared", "write memory://, with nothing behind it"),
        ({"shared": SECRET}, "shared", "is not a URL: write memory://, redis://HOST:PORT/DB"),
        ({"shared": ""}, "shared", "is not a URL"),
        ({"shared": "redis+cluster://a"}, "shared", "Redis Cluster is not supported"),
        ({"shared": f"redis://:{SECRET}"}, "shared", "the port is a number"),
        ({"limit_timeout": "0s"}, "limit_timeout", "must be 0.001s to 1s, found 0s"),
        ({"limit_timeout": "0.0001s"}, "limit_timeout", "found 0.0001s"),
        ({"limit_timeout": "5s"}, "limit_timeout", "found 5s"),
    ],
)
def test_mistakes_say_what_to_write_and_no_secret(
    said: dict[str, str], path: str, sentence: str
) -> None:
    ((at, text),) = state_mistakes(state(**said))
    assert at == path
    assert sentence in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("url", "referenced", "sentences"),
    [
        ("redis://cache", False, []),
        ("rediss://:pw@cache", True, []),
        ("rediss://:pw@cache", False, ["stands in the file itself"]),
        ("redis://:pw@cache", True, ["travels in the open"]),
        ("redis://:pw@localhost", True, []),
        ("redis://:pw@127.0.0.1:1/3", True, []),
        ("redis+sentinel://:pw@[::1],b/main", True, ["travels in the open"]),
    ],
)
def test_doubts(url: str, referenced: bool, sentences: list[str]) -> None:
    doubts = list(state_doubts(state(shared=url), {url} if referenced else set()))
    assert [path for path, _ in doubts] == ["shared"] * len(sentences)
    for (_, text), sentence in zip(doubts, sentences, strict=True):
        assert sentence in text
        assert "pw@" not in text


def test_a_timeout_of_nothing_is_doubted() -> None:
    ((path, text),) = state_doubts(state(limit_timeout="0.01s"))
    assert path == "limit_timeout"
    assert "memory://" in text


def test_the_url_may_be_in_a_file() -> None:
    field = State.DESCRIPTOR.fields_by_name["shared"]
    assert field.full_name in MAY_BE_FILE


def test_a_folder_that_is_not_there_is_told(tmp_path):
    away = State(durable=f"sqlite:///{tmp_path}/nowhere/seawall.db")
    assert [path for path, _ in state_doubts(away)] == ["durable"]
    assert list(state_doubts(State(durable=f"sqlite:///{tmp_path}/seawall.db"))) == []
