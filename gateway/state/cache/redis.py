"""aiocache's Redis backend, over the servers that `state.shared` may name.

Connections are few and bounded; a question that gets none in time is the guard's matter
(`guarded.py`). Sentinels are asked where the master is, by the library.
"""

from typing import Any, Final

from aiocache.backends.redis import RedisCache
from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

from gateway.state.cache.values import EntrySerializer
from gateway.state.redis_url import RedisUrl

CONNECTIONS: Final = 16
_CONNECT_S: Final = 1.0
_PLACE_S: Final = 1.0
_SENTINEL_S: Final = 0.3
"""For one Sentinel, before the next one is asked."""


class RedisAnswersCache(RedisCache):  # type: ignore[misc]  # aiocache has no types
    """A cache on the server of `url`; it connects when it is first asked."""

    def __init__(self, url: RedisUrl) -> None:
        super().__init__(serializer=EntrySerializer(), timeout=None)
        self._sentinel = _sentinel(url) if url.master else None
        self.client = Redis(connection_pool=_pool(url, self._sentinel))

    async def _close(self, *_args: Any, _conn: Any = None, **_more: Any) -> None:
        await self.client.aclose(close_connection_pool=True)
        if self._sentinel is not None:
            await self._sentinel.aclose()


def _sentinel(url: RedisUrl) -> Any:
    times = {
        "socket_connect_timeout": _SENTINEL_S,
        "socket_timeout": _SENTINEL_S,
        "retry": None,
    }
    # The library has no types here.
    return Sentinel(url.endpoints, sentinel_kwargs=times)  # type: ignore[no-untyped-call]


def _pool(url: RedisUrl, sentinel: Any) -> Any:
    common: dict[str, Any] = {
        "db": url.db,
        "username": url.username or None,
        "password": url.password or None,
        "socket_connect_timeout": _CONNECT_S,
        "socket_timeout": None,  # bounds of time are the guard's
        "retry": None,
        "max_connections": CONNECTIONS,
    }
    if sentinel is not None:
        # Nor here.
        return SentinelConnectionPool(url.master, sentinel, **common)  # type: ignore[no-untyped-call]
    host, port = url.endpoints[0]
    if url.tls:
        common["connection_class"] = SSLConnection
    return BlockingConnectionPool(host=host, port=port, timeout=_PLACE_S, **common)
