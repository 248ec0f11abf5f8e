import subprocess
import sys
from pathlib import Path

import pytest

from gateway.state.durable.url import PostgresUrl, SqliteUrl, default_url, parse_durable_url

SECRET = "hunter2"
ROOT = Path(__file__).parents[4]


def _postgres(**said: object) -> PostgresUrl:
    return PostgresUrl(**{"endpoints": (("db", 5432),), "database": "seawall", **said})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///seawall.db", SqliteUrl(path=Path("seawall.db"))),
        ("SQLITE:////var/lib/a b%20.db", SqliteUrl(path=Path("/var/lib/a b%20.db"))),
        ("postgresql://db/seawall", _postgres()),
        ("postgres://db:6000/seawall", _postgres(endpoints=(("db", 6000),))),
        ("postgresql://[::1]:6000/seawall", _postgres(endpoints=(("::1", 6000),))),
        ("postgresql://[::1]/seawall", _postgres(endpoints=(("::1", 5432),))),
        (
            "postgresql://a,b.prod:7/seawall",
            _postgres(endpoints=(("a", 5432), ("b.prod", 7))),
        ),
        (
            "postgresql://%2Frun%2Fpostgresql/seawall",
            _postgres(endpoints=(("/run/postgresql", 5432),)),
        ),
        (
            "postgresql://j%40e:p%3Aw%2F%3F@db/sea%20wall",
            _postgres(username="j@e", password="p:w/?", database="sea wall"),
        ),
        (
            "postgresql://joe@db/seawall?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            _postgres(
                username="joe",
                options=(("sslmode", "verify-full"), ("sslrootcert", "/etc/ca.pem")),
            ),
        ),
        (
            "postgresql://db/seawall?ssl_min_protocol_version=TLSv1.3",
            _postgres(options=(("ssl_min_protocol_version", "TLSv1.3"),)),
        ),
    ],
)
def test_says_where_the_store_is(url: str, expected: object) -> None:
    assert parse_durable_url(url) == expected


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (SECRET, "is not a URL: write sqlite:///PATH or postgresql://"),
        (f"//{SECRET}@db", "is not a URL"),
        ("sqlit:///a.db", "there is no kind of store 'sqlit'; did you mean 'sqlite'?"),
        ("mysql://db/a", "there is no kind of store 'mysql'; known: sqlite, postgresql"),
        ("postgresql+asyncpg://db/a", "names no driver"),
        ("sqlite://a.db", "with three slashes"),
        ("sqlite://host/a.db", "a file is on no host"),
        ("sqlite:///", "must name a file"),
        ("sqlite:////var/lib/", "must name a file"),
        ("sqlite:///a.db?mode=ro", "a file has no options"),
        ("sqlite:///:memory:", "memory does not outlive the process"),
        ("sqlite:///a\n.db", "no control characters"),
        ("postgresql://", "names no host"),
        (f"postgresql://u:{SECRET}@/a", "names no host"),
        ("postgresql://db", "names no database"),
        ("postgresql://db/", "names no database"),
        (f"postgresql://u:{SECRET}@db:0/a", "the port is a number"),
        (f"postgresql://u:{SECRET}", "the port is a number"),
        (f"postgresql://u:a/{SECRET}@db/a", "percent-encoded"),
        (f"postgresql://u:a@{SECRET}@db/a", "percent-encoded"),
        (f"postgresql://u:{SECRET}:x@db/a", "percent-encoded"),
        (f"postgresql://u:{SECRET}?x@db/a", "percent-encoded"),
        (f"postgresql://u:{SECRET} x@db/a", "percent-encoded"),
        (f"postgresql://u:{SECRET}#x@db/a", "percent-encoded"),
        ("postgresql://[::g]/a", "not an IPv6 address"),
        ("postgresql://d!b/a", "names no host"),
        (f"postgresql://db/a?password={SECRET}", "an option behind '?' that is none"),
        (f"postgresql://db/a?{SECRET}", "is OPTION=VALUE"),
        ("postgresql://db/a?sslmode=on", "sslmode is one of disable, allow, prefer"),
        ("postgresql://db/a?sslcert=", "sslcert is empty"),
        ("postgresql://db/a?sslmode=require&sslmode=disable", "said twice"),
    ],
)
def test_a_mistake_is_told_without_secrets(url: str, sentence: str) -> None:
    with pytest.raises(ValueError) as told:
        parse_durable_url(url)
    assert sentence in str(told.value)
    assert SECRET not in str(told.value)


def test_neither_what_is_shown_nor_the_repr_says_who_one_is() -> None:
    url = parse_durable_url(f"postgresql://joe:{SECRET}@db,[::1]:7/a%2Fb?sslmode=require")
    assert url.shown == "postgresql://db:5432,[::1]:7/a%2Fb"
    assert SECRET not in repr(url)
    assert "joe" not in repr(url)
    assert isinstance(url, PostgresUrl)
    assert url.dsn == "postgresql://db:5432,[::1]:7/a%2Fb?sslmode=require"
    assert parse_durable_url("sqlite:///a/b.db").shown == "sqlite:///a/b.db"


@pytest.mark.parametrize("folder", ["/run/pg", "/run/p g"])
def test_what_is_shown_says_the_same_again(folder: str) -> None:
    url = _postgres(endpoints=((folder, 5432),))
    assert parse_durable_url(url.dsn) == url


@pytest.mark.parametrize(
    ("mode", "tls"), [("require", True), ("verify-full", True), ("prefer", False), (None, False)]
)
def test_only_some_modes_are_always_encrypted(mode: str | None, tls: bool) -> None:
    assert _postgres(options=(("sslmode", mode),) if mode else ()).tls is tls


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        (
            {"STATE_DIRECTORY": "/var/lib/sw:/b", "XDG_STATE_HOME": "/x"},
            "/var/lib/sw/seawall.db",
        ),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/seawall/seawall.db"),
        ({"HOME": "/h"}, "/h/.local/state/seawall/seawall.db"),
        ({"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/seawall/seawall.db"),
        ({"STATE_DIRECTORY": "", "HOME": "/h"}, "/h/.local/state/seawall/seawall.db"),
    ],
)
def test_without_a_word_it_is_where_state_belongs(environ: dict[str, str], path: str) -> None:
    assert default_url(environ) == SqliteUrl(path=Path(path), makes_folder=True)


def test_reading_a_url_loads_no_database_library() -> None:
    told = "import sys, gateway.state.durable.url as _; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert "gateway.state.durable.url" in modules
    assert not {"sqlalchemy", "alembic", "asyncpg", "sqlite3"} & set(modules)
