"""What processes share, from the configuration file: options, mistakes, doubts.

Rules:
1. `state.shared` says where: memory:// (each process alone) or a Redis server, as
   `gateway.state.redis_url` reads it. Nothing said is memory://.
2. References (`${NAME}`, `file:PATH`) were followed when the file was read.
3. No sentence here repeats a URL: it may hold a password.
"""

import ipaddress
import os
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from seawall.config.v1.config_pb2 import State

from gateway.config.durable_tls import durable_tls_mistakes
from gateway.config.values import Mistake, seconds
from gateway.state.breaker import StoreBreakerOptions
from gateway.state.durable.url import DurableUrl, PostgresUrl, SqliteUrl, parse_durable_url
from gateway.state.redis_url import RedisUrl, parse_redis_url

MAY_BE_FILE = frozenset(("seawall.config.v1.State.shared", "seawall.config.v1.State.durable"))
"""Fields that take "file:PATH"."""
MEMORY = "memory://"
_DEFAULT_LIMIT_TIMEOUT_S = 0.005
_DEFAULT_DURABLE_TIMEOUT_S = 2.0
_DEFAULT_CACHE_TIMEOUT_S = 0.050
_DEFAULT_CACHE_BYTES = 64 * 1024 * 1024
_DEFAULT_BREAKER = StoreBreakerOptions()
DEFAULT_WORKERS, _MOST_WORKERS = 16, 10_000
_MAX_TIMEOUT_S = 60.0
_LEAST_CACHE_BYTES, _MOST_CACHE_BYTES = 1024 * 1024, 2**40
_MIN_LIMIT_TIMEOUT_S, _MAX_LIMIT_TIMEOUT_S = 0.001, 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StateOptions:
    """See seawall.config.v1.State.

    Args:
        shared: None where each process counts for itself.
        limit_timeout_s: seconds for one question about limits.
        durable: None for the default place (gateway.state.durable.url).
        durable_timeout_s: seconds for one question of the durable store.
        cache_timeout_s: seconds for one question about cached answers.
        cache_max_bytes: of cached answers in memory.
        breaker: of each store.
        workers: durable operations made at one time.
    """

    shared: RedisUrl | None = None
    limit_timeout_s: float = _DEFAULT_LIMIT_TIMEOUT_S
    durable: DurableUrl | None = None
    durable_timeout_s: float = _DEFAULT_DURABLE_TIMEOUT_S
    cache_timeout_s: float = _DEFAULT_CACHE_TIMEOUT_S
    cache_max_bytes: int = _DEFAULT_CACHE_BYTES
    breaker: StoreBreakerOptions = field(default_factory=StoreBreakerOptions)
    workers: int = DEFAULT_WORKERS


def state_options(state: State) -> StateOptions:
    """Return what is shared, and where. Raises nothing for a message without mistakes."""
    timeout_s = seconds(state.limit_timeout) if state.HasField("limit_timeout") else None
    return StateOptions(
        shared=None if _is_memory(state) else parse_redis_url(state.shared),
        limit_timeout_s=timeout_s or _DEFAULT_LIMIT_TIMEOUT_S,
        durable=parse_durable_url(state.durable) if state.durable else None,
        durable_timeout_s=seconds(state.durable_timeout) or _DEFAULT_DURABLE_TIMEOUT_S,
        cache_timeout_s=seconds(state.cache_timeout) or _DEFAULT_CACHE_TIMEOUT_S,
        cache_max_bytes=state.cache_max_bytes or _DEFAULT_CACHE_BYTES,
        breaker=StoreBreakerOptions(
            failures=state.breaker_failures or _DEFAULT_BREAKER.failures,
            window_s=seconds(state.breaker_window) or _DEFAULT_BREAKER.window_s,
        ),
        workers=state.workers if state.HasField("workers") else DEFAULT_WORKERS,
    )


def state_mistakes(state: State) -> Iterator[Mistake]:
    """Yield what is wrong; paths begin at the message."""
    if not _is_memory(state):
        try:
            parse_redis_url(state.shared)
        except ValueError as error:
            yield "shared", _memory_mistake(state.shared) or str(error)
    if state.HasField("limit_timeout"):
        timeout_s = seconds(state.limit_timeout)
        if not _MIN_LIMIT_TIMEOUT_S <= timeout_s <= _MAX_LIMIT_TIMEOUT_S:
            yield (
                "limit_timeout",
                f"must be {_MIN_LIMIT_TIMEOUT_S}s to {_MAX_LIMIT_TIMEOUT_S:g}s, found "
                f"{timeout_s:g}s: calls wait so long when the store is slow",
            )
    yield from _durable_mistakes(state)


def _durable_mistakes(state: State) -> Iterator[Mistake]:
    if state.durable:
        try:
            url = parse_durable_url(state.durable)
        except ValueError as error:
            yield "durable", str(error)
        else:
            if isinstance(url, PostgresUrl):
                for text in durable_tls_mistakes(url, os.environ):
                    yield "durable", text
    elif state.HasField("durable"):
        yield "durable", "is empty; leave it out for the default place"
    for name in ("durable_timeout", "cache_timeout"):
        if state.HasField(name) and not 0.001 <= seconds(getattr(state, name)) <= _MAX_TIMEOUT_S:
            yield name, f"must be 0.001s to {_MAX_TIMEOUT_S:g}s"
    size = state.cache_max_bytes
    if state.HasField("cache_max_bytes") and not _LEAST_CACHE_BYTES <= size <= _MOST_CACHE_BYTES:
        yield "cache_max_bytes", f"must be {_LEAST_CACHE_BYTES} to {_MOST_CACHE_BYTES}"
    if state.workers > _MOST_WORKERS:
        yield "workers", f"must be 0 to {_MOST_WORKERS}"
    if state.HasField("breaker_failures") and not 1 <= state.breaker_failures <= 10_000:
        yield "breaker_failures", "must be 1 to 10000"


def state_doubts(state: State, referenced: Set[str] = frozenset()) -> Iterator[Mistake]:
    """Yield what is no mistake and hardly what was meant; paths begin at the message.

    Args:
        state: without mistakes.
        referenced: values that came from the environment or a file.
    """
    yield from _durable_doubts(state, referenced)
    shared = state_options(state).shared
    if shared is None:
        if state.HasField("limit_timeout"):
            yield "limit_timeout", "nothing is asked: state.shared is memory://"
        return
    if not shared.password:
        return
    if state.shared not in referenced:
        yield (
            "shared",
            "the password stands in the file itself; ${NAME} or file:PATH keep it out of there",
        )
    if not shared.tls and not all(_is_this_machine(host) for host, _ in shared.endpoints):
        yield (
            "shared",
            "the password travels in the open to another machine; rediss:// encrypts it",
        )


def _durable_doubts(state: State, referenced: Set[str]) -> Iterator[Mistake]:
    durable = state_options(state).durable
    if isinstance(durable, SqliteUrl) and not durable.path.parent.is_dir():
        yield (
            "durable",
            "the folder of its file is not there yet; it is needed before the first call",
        )
    if not isinstance(durable, PostgresUrl) or not durable.password:
        return
    if state.durable not in referenced:
        yield (
            "durable",
            "the password stands in the file itself; ${NAME} or file:PATH keep it out of there",
        )
    if not durable.tls and not all(_is_this_machine(host) for host, _ in durable.endpoints):
        yield (
            "durable",
            "the password may travel in the open to another machine; sslmode=require encrypts it",
        )


def _is_memory(state: State) -> bool:
    return not state.HasField("shared") or state.shared.lower() == MEMORY


def _memory_mistake(url: str) -> str:
    scheme, sep, rest = url.partition("://")
    if scheme.lower() == "memory" and (rest or not sep):
        return "write memory://, with nothing behind it"
    return ""


def _is_this_machine(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
