"""TLS to a PostgreSQL server: who is asked, who is not, and what an operator is told.

The PostgreSQL of the other tests is built without TLS: these need one of the machine's own.
"""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from google.protobuf.json_format import ParseDict
from seawall.config.v1.config_pb2 import State
from sqlalchemy import Connection, text
from support.certificates import Authority, Pair
from support.durable import opened
from support.postgres import USER, PostgresServer, shared_server, with_tls

from gateway.config.state import state_mistakes, state_options
from gateway.core.clock import SystemClock
from gateway.core.events import Events
from gateway.state.durable.store import Durable, DurableOptions
from gateway.state.records import StoreUnavailable

needs_tls = pytest.mark.skipif(
    with_tls() is None, reason="no PostgreSQL with TLS is installed (apt install postgresql)"
)
HOUR = datetime.timedelta(hours=1)
OURS, OTHERS = Authority("ours"), Authority("others")
NO_WAY = "its pg_hba.conf lets nobody in this way: user, address, or TLS (sslmode, sslcert)"
ENCRYPTED = b"hostssl all all 127.0.0.1/32 scram-sha-256\n"
CERTIFIED = b"""
hostssl postgres all 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full
"""


def _files(pair: Pair) -> dict[str, bytes]:
    return {"server.crt": pair.cert, "server.key": pair.key}


FILES = {
    **_files(OURS.issue("db", ip=["127.0.0.1"])),
    "root.crt": OURS.pem,
    "pg_hba.conf": b"host all all 127.0.0.1/32 scram-sha-256\n",
}


def is_encrypted(connection: Connection) -> bool:
    statement = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    return bool(connection.execute(statement).scalar_one())


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    folder = with_tls()
    assert folder is not None
    with PostgresServer(folder, FILES, ssl="on", ssl_ca_file="root.crt") as server:
        yield server


Becomes = Callable[[dict[str, bytes]], None]


@pytest.fixture
def becomes(server: PostgresServer) -> Iterator[Becomes]:
    """Let the server have other files in one test."""

    def become(files: dict[str, bytes]) -> None:
        for name, held in files.items():
            server.keep(name, held)
        server.restart()

    yield become
    become(FILES)


@pytest.fixture
def ours(tmp_path: Path) -> str:
    return written(tmp_path / "ours.pem", OURS.pem)


def written(path: Path, held: bytes) -> str:
    path.write_bytes(held)
    return quote(str(path))


async def asked(url: str) -> bool:
    """Ask as a gateway with this URL in its file does; return whether it is encrypted."""
    state = ParseDict({"durable": url}, State())
    assert list(state_mistakes(state)) == []
    durable = state_options(state).durable
    assert durable is not None
    store = Durable(durable, SystemClock(), Events(), DurableOptions(timeout_s=10.0))
    try:
        await store.open()
        return await store.read(is_encrypted)
    finally:
        await store.close()


async def why_not(url: str) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        await asked(url)
    assert "s3cr3t" not in str(refused.value)
    return str(refused.value)


@needs_tls
@pytest.mark.parametrize("mode", ["verify-ca", "verify-full", "require", "prefer"])
async def test_a_server_of_the_authority_is_asked_encrypted(
    mode: str, server: PostgresServer, ours: str
) -> None:
    assert await asked(f"{server.database()}?sslmode={mode}&sslrootcert={ours}")


@needs_tls
async def test_without_a_word_tls_is_taken_where_it_is_offered(server: PostgresServer) -> None:
    assert await asked(server.database())
    assert not await asked(server.database() + "?sslmode=disable")
    assert not await asked(shared_server().database() + "?sslmode=prefer")


@needs_tls
@pytest.mark.parametrize("mode", ["verify-ca", "verify-full", "require"])
async def test_a_server_of_another_authority_is_not_asked(
    mode: str, server: PostgresServer, tmp_path: Path
) -> None:
    others = written(tmp_path / "others.pem", OTHERS.pem)
    why = await why_not(f"{server.database()}?sslmode={mode}&sslrootcert={others}")
    assert why == "its certificate is not trusted (sslrootcert)"


@needs_tls
@pytest.mark.parametrize(
    ("host", "names", "why"),
    [
        ("127.0.0.1", {"dns": ["db.internal"]}, "its certificate is for another address"),
        ("localhost", {"dns": ["db.internal"]}, "its certificate is for another name"),
    ],
)
async def test_a_server_of_another_name_is_asked_only_where_names_do_not_count(
    host: str,
    names: dict[str, list[str]],
    why: str,
    server: PostgresServer,
    ours: str,
    becomes: Becomes,
) -> None:
    becomes(_files(OURS.issue("db", **names)))
    url = server.database().replace("@127.0.0.1", f"@{host}")
    assert await why_not(f"{url}?sslmode=verify-full&sslrootcert={ours}") == (
        f"{why} (sslmode=verify-full)"
    )
    assert await asked(f"{url}?sslmode=verify-ca&sslrootcert={ours}")


@needs_tls
@pytest.mark.parametrize(
    ("starts", "ends", "why"),
    [
        (-2 * HOUR, -HOUR, "its certificate has ended"),
        (HOUR, 2 * HOUR, "its certificate is not valid yet"),
    ],
)
async def test_a_certificate_out_of_its_time_is_told(
    starts: datetime.timedelta,
    ends: datetime.timedelta,
    why: str,
    server: PostgresServer,
    ours: str,
    becomes: Becomes,
) -> None:
    becomes(_files(OURS.issue("db", ip=["127.0.0.1"], starts=starts, ends=ends)))
    assert await why_not(f"{server.database()}?sslmode=verify-full&sslrootcert={ours}") == why


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_without_tls_is_not_asked_in_the_open(mode: str, ours: str) -> None:
    url = shared_server().database()
    assert await why_not(f"{url}?sslmode={mode}&sslrootcert={ours}") == (
        "it speaks no TLS, and sslmode asks for it"
    )


@needs_tls
async def test_a_server_that_wants_tls_says_so_to_who_comes_without(
    server: PostgresServer, becomes: Becomes
) -> None:
    becomes({"pg_hba.conf": ENCRYPTED})
    url = server.database()
    assert await asked(url)
    assert await why_not(url + "?sslmode=disable") == NO_WAY


@needs_tls
async def test_the_gateway_shows_its_own_certificate_where_it_is_asked_for(
    server: PostgresServer, becomes: Becomes, tmp_path: Path
) -> None:
    becomes({"pg_hba.conf": CERTIFIED})
    url = server.database() + "?sslmode=require"
    assert await why_not(url) == NO_WAY

    def shown(name: str) -> str:
        cert, key = OURS.issue(name).write(tmp_path, name)
        return f"{url}&sslcert={quote(str(cert))}&sslkey={quote(str(key))}"

    assert await asked(shown(USER))
    assert await why_not(shown("somebody")) == "it refuses the credentials"


async def test_a_file_that_goes_away_later_is_told(tmp_path: Path) -> None:
    url = shared_server().database() + f"?sslmode=verify-full&sslrootcert={tmp_path}/none.pem"
    async with opened(url) as durable:
        with pytest.raises(StoreUnavailable, match="a folder or file that its URL names"):
            await durable.open()
