"""How to reach a Redis server: directly, over TLS, or where Sentinels say it is.

Rules:
1. A connection is good once the server said that it is no cluster and no replica, and
   selected the database. A server that may not be asked (an ACL) is taken by its word.
2. Where there are Sentinels they are asked anew for each connection: the answer is old as
   soon as one breaks.
3. What the library raises becomes `Unavailable` here, and nowhere else. Its phrase holds no
   address and no word of the server's but the code of an error: both may hold secrets.
4. The library repeats nothing and keeps no connection: who asks decides when to try again.

Does not know what is asked, nor for how long one waits (`guarded.py`).
"""

import re
import socket
import ssl
from typing import Any

from redis import exceptions
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel

from gateway.state.redis_url import NO_CLUSTER, RedisUrl
from gateway.state.shared import Unavailable

CONNECTION_FAILED = "the connection to it failed"
_SENTINEL_TIMEOUT_S = 0.3
"""For one Sentinel, before the next one is asked."""
_PHRASES: tuple[tuple[type[BaseException], str], ...] = (
    (MasterNotFoundError, "no Sentinel answers, or none knows a master of this name that is up"),
    (exceptions.MovedError, NO_CLUSTER),
    (exceptions.ClusterCrossSlotError, NO_CLUSTER),
    (exceptions.AuthenticationError, "it refuses the credentials"),
    (exceptions.NoPermissionError, "it does not permit the user what is needed"),
    (exceptions.BusyLoadingError, "it is loading its data"),
    (exceptions.ReadOnlyError, "it is a replica"),
    (exceptions.MasterDownError, "it is a replica"),
    (exceptions.OutOfMemoryError, "it has no memory left"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (ssl.SSLError, "TLS with it failed"),
    (socket.gaierror, "its name does not resolve"),
    (ConnectionRefusedError, "it refuses connections"),
    (TimeoutError, "it cannot be reached in time"),
    (exceptions.TimeoutError, "it cannot be reached in time"),
    (exceptions.ConnectionError, CONNECTION_FAILED),
    (OSError, CONNECTION_FAILED),
)


_INSIDE = re.compile(r"-([A-Z]+) ")
_OF_CODES: dict[str, type[exceptions.ResponseError]] = {
    "OOM": exceptions.OutOfMemoryError,
    "READONLY": exceptions.ReadOnlyError,
    "NOPERM": exceptions.NoPermissionError,
    "MASTERDOWN": exceptions.MasterDownError,
}


def unwrapped(error: exceptions.ResponseError) -> exceptions.ResponseError:
    """Return the error of the command inside of a script, which Redis 6.2 wraps in another."""
    if type(error) is exceptions.ResponseError and (inside := _INSIDE.search(str(error))):
        kind = _OF_CODES.get(inside[1])
        if kind is not None:
            return kind(inside[1])
    return error


def phrase(error: BaseException) -> str:
    """Return what an error of the library means, the most telling of its causes first."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for kind, text in _PHRASES:
        if any(isinstance(one, kind) for one in causes):
            return text
    code = str(error).partition(" ")[0]
    known = code.isascii() and code.isalpha() and code.isupper()
    return f"it answers with an error ({code})" if known else "it answers with an error"


class RedisClient:
    """Makes connections to one store.

    Args:
        url: of it.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._url = url

    async def connect(self) -> Connection:
        """Return a connection that is good; whoever takes it closes it.

        Raises:
            Unavailable: there is none now, or never.
        """
        try:
            host, port = await self._address()
            connection = self._connection(host, port)
            try:
                # The library is typed but for this method, and for what Sentinel is made with.
                await connection.connect()  # type: ignore[no-untyped-call]
                await self._check(connection)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
        except (exceptions.RedisError, OSError) as error:
            raise Unavailable(phrase(error)) from None
        return connection

    async def _address(self) -> tuple[str, int]:
        if not self._url.master:
            return self._url.endpoints[0]
        timeouts: dict[str, Any] = {
            "socket_timeout": _SENTINEL_TIMEOUT_S,
            "socket_connect_timeout": _SENTINEL_TIMEOUT_S,
            "retry": None,
        }
        sentinel = Sentinel(  # type: ignore[no-untyped-call]  # as above
            self._url.endpoints, sentinel_kwargs=timeouts
        )
        async with sentinel as sentinels:
            host, port = await sentinels.discover_master(self._url.master)
        return host, int(port)

    def _connection(self, host: str, port: int) -> Connection:
        kind = SSLConnection if self._url.tls else Connection
        return kind(
            host=host,
            port=port,
            username=self._url.username or None,
            password=self._url.password or None,
            # Bounds of time are the caller's; RESP2 is what a bulk string is read fastest by.
            socket_timeout=None,
            socket_connect_timeout=None,
            protocol=2,
            driver_info=None,
        )

    async def _check(self, connection: Connection) -> None:
        if (await _info(connection, "cluster")).get("cluster_enabled") == "1":
            raise Unavailable(NO_CLUSTER)
        if self._url.db:
            await connection.send_command("SELECT", self._url.db)
            await connection.read_response()
        if (await _info(connection, "replication")).get("role", "master") != "master":
            raise Unavailable("it is a replica")


async def _info(connection: Connection, section: str) -> dict[str, str]:
    await connection.send_command("INFO", section)
    try:
        text: bytes = await connection.read_response()
    except exceptions.NoPermissionError:
        return {}
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
