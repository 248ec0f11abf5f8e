"""API keys that the gateway knows by their hashes.

Rules:
1. A key is found by its SHA-256 and compared in constant time; the key itself is nowhere.
2. Keys come from the configuration and from a file that is read again when it changes, in a
   thread beside the calls. A file that cannot be used changes nothing, and says so once for
   each thing that is wrong, with its name; it is not looked into again until it changes.
3. A hash stands for one caller: said twice, it is a mistake of the file.
4. An expired key is told as expired: who has it knows it all.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gateway.core.clock import Clock
from gateway.core.errors import CallError
from gateway.core.events import Events, MaterialChanged
from gateway.core.identity import Identity
from gateway.core.watched import WatchedFiles
from gateway.interceptors.auth.errors import unauthenticated
from gateway.interceptors.auth.new_key import is_damaged
from gateway.interceptors.auth.options import MAX_KEY_CHARS, ApiKey, ApiKeysOptions

ReadKeys = Callable[[Path], Sequence[ApiKey]]
"""Reads a file of keys; raises ValueError with a sentence, without any part of a key, and
UnreadableKeysError where another look may find more."""

_SCHEME = "bearer "

_Known = tuple[bytes, Identity, float | None]


class UnreadableKeysError(ValueError):
    """A file of keys that could not be opened; says why."""


class ApiKeys:
    """The provider.

    Args:
        options: its keys.
        read: reads its file.
        clock: for keys that expire, and for looks at the file.
        events: are told what became of the file.
    """

    rank = 1

    def __init__(
        self, options: ApiKeysOptions, read: ReadKeys, clock: Clock, events: Events
    ) -> None:
        self.name = options.name
        self.metadata = options.metadata
        self._bearer = options.metadata == "authorization"
        self.hint = f"'{self.metadata}: {'Bearer ' if self._bearer else ''}KEY'"
        self._options = options
        self._read_file = read
        self._clock = clock
        self._events = events
        self._wrong = ""
        self._known = self._index(options.keys)
        paths = () if options.file is None else (options.file,)
        self._watched = WatchedFiles(paths, self._read_again, clock)
        if options.file is not None:
            self._read_first(options.file)

    def start(self) -> None:
        """Begin to look at the file."""
        self._watched.start()

    async def stop(self) -> None:
        """Look at it no more."""
        await self._watched.stop()

    async def look(self) -> None:
        """Look at the file now."""
        await self._watched.look()

    def identify(self, value: str | bytes) -> Identity | CallError:
        """Tell whose key `value` is."""
        if self._bearer and isinstance(value, str):
            if value[: len(_SCHEME)].lower() != _SCHEME:
                return unauthenticated(f"'{self.metadata}' must be 'Bearer KEY'")
            value = value[len(_SCHEME) :]
        if not isinstance(value, str) or not value.isascii() or len(value) > MAX_KEY_CHARS:
            return unauthenticated(f"'{self.metadata}' holds no API key")
        digest = hashlib.sha256(value.encode()).digest()
        known = self._known.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            if is_damaged(value):
                return unauthenticated(f"the API key in '{self.metadata}' is not complete")
            return unauthenticated(f"the API key in '{self.metadata}' is not known")
        expires_at = known[2]
        if expires_at is not None and expires_at <= self._clock.wall():
            return unauthenticated(f"the API key in '{self.metadata}' has expired")
        return known[1]

    async def settle(self, value: str | bytes) -> Identity | CallError:
        """Tell the same; nothing here waits."""
        return self.identify(value)

    def _read_first(self, path: Path) -> None:
        try:
            self._known = self._load(path)
        except ValueError as error:
            self._refuse(path, str(error))

    async def _read_again(self) -> bool:
        path = self._options.file
        assert path is not None  # nothing is watched otherwise
        try:
            known = await asyncio.to_thread(self._load, path)
        except ValueError as error:
            self._refuse(path, str(error))
            return not isinstance(error, UnreadableKeysError)
        self._known, self._wrong = known, ""
        self._tell(path, f"{len(known)} keys are known", accepted=True)
        return True

    def _load(self, path: Path) -> Mapping[bytes, _Known]:
        return self._index((*self._options.keys, *self._read_file(path)))

    def _refuse(self, path: Path, wrong: str) -> None:
        if wrong != self._wrong:
            self._wrong = wrong
            self._tell(path, wrong, accepted=False)

    def _tell(self, path: Path, why: str, *, accepted: bool) -> None:
        self._events.emit(MaterialChanged("api_keys", self.name, accepted, f"{path}: {why}"))

    def _index(self, keys: Iterable[ApiKey]) -> Mapping[bytes, _Known]:
        known: dict[bytes, _Known] = {}
        for key in keys:
            if key.sha256 in known:
                callers = f"{known[key.sha256][1].name!r} and {key.caller!r}"
                raise ValueError(f"one key is given twice, for {callers}")
            identity = Identity(key.caller, self.name, key.roles, self.metadata)
            known[key.sha256] = (key.sha256, identity, key.expires_at)
        return known
