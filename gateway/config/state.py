"""What processes share, from the configuration file: options, mistakes, doubts.

Rules:
1. `state.shared` says where: memory:// (each process alone) or a Redis server, as
   `gateway.state.redis_url` reads it. Nothing said is memory://.
2. References (`${NAME}`, `file:PATH`) were followed when the file was read.
3. No sentence here repeats a URL: it may hold a password.
"""

import ipaddress
from collections.abc import Iterator, Set
from dataclasses import dataclass

from seawall.config.v1.config_pb2 import State

from gateway.config.values import Mistake, seconds
from gateway.state.redis_url import RedisUrl, parse_redis_url

MAY_BE_FILE = frozenset(("seawall.config.v1.State.shared",))
"""Fields that take "file:PATH"."""
MEMORY = "memory://"
_DEFAULT_LIMIT_TIMEOUT_S = 0.005
_MIN_LIMIT_TIMEOUT_S, _MAX_LIMIT_TIMEOUT_S = 0.001, 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StateOptions:
    """See seawall.config.v1.State.

    Args:
        shared: None where each process counts for itself.
        limit_timeout_s: seconds for one question about limits.
    """

    shared: RedisUrl | None = None
    limit_timeout_s: float = _DEFAULT_LIMIT_TIMEOUT_S


def state_options(state: State) -> StateOptions:
    """Return what is shared, and where. Raises nothing for a message without mistakes."""
    timeout_s = seconds(state.limit_timeout) if state.HasField("limit_timeout") else None
    return StateOptions(
        shared=None if _is_memory(state) else parse_redis_url(state.shared),
        limit_timeout_s=timeout_s or _DEFAULT_LIMIT_TIMEOUT_S,
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


def state_doubts(state: State, referenced: Set[str] = frozenset()) -> Iterator[Mistake]:
    """Yield what is no mistake and hardly what was meant; paths begin at the message.

    Args:
        state: without mistakes.
        referenced: values that came from the environment or a file.
    """
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
