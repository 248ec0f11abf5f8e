"""The keys of an issuer: what they are kept by, and those in a file.

Rules:
1. What cannot be used changes nothing: the keys that were there stay, and it is said once for
   each thing that is wrong. A set without a key that can be used is such a thing. Of a file
   its name is said too.
2. Whatever changes the keys, tokens of those that are gone are forgotten at once.
3. A file is read in a thread beside the calls, and not again until it changes.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from gateway.core.clock import Clock
from gateway.core.events import Events, MaterialChanged
from gateway.core.watched import WatchedFiles
from gateway.interceptors.auth.keyset import (
    MAX_SET_BYTES,
    KeySet,
    UnusableKeysError,
    read_key_set,
)
from gateway.interceptors.auth.options import JwtOptions

KeepOnly = Callable[[Collection[str]], None]
"""Told the thumbprints of the keys that hold, after they have changed."""

_FILE_RETRY_S = 1.0


class Jwks(Protocol):
    """Where an issuer's keys come from."""

    @property
    def keys(self) -> KeySet | None:
        """The keys that are known, None where there are none that can be used."""

    @property
    def asking(self) -> bool:
        """Whether they are being asked for."""

    @property
    def failing(self) -> bool:
        """Whether they could not be had when they were last asked for."""

    def start(self) -> None:
        """Begin to keep them fresh."""

    async def stop(self) -> None:
        """Keep them fresh no more."""

    def may_wait(self) -> bool:
        """Tell whether a call may wait for newer keys."""

    async def renewed(self) -> None:
        """Return when they have been asked for."""

    def retry_after_s(self) -> float:
        """Return the seconds after which there may be newer keys."""


class KeptKeys:
    """Keys, and what is said of each change to them.

    Args:
        options: of the issuer.
        events: are told of changes.
        keep_only: told which keys hold, after they have changed.
        source: what is said of changes begins with this.
    """

    def __init__(
        self, options: JwtOptions, events: Events, keep_only: KeepOnly, source: str = ""
    ) -> None:
        self.keys: KeySet | None = None
        self._algorithms = options.algorithms
        self._name = options.name
        self._events = events
        self._keep_only = keep_only
        self._source = source
        self._wrong = ""

    def take(self, data: bytes) -> bool:
        """Use the set in `data`; tell whether it can be used."""
        try:
            self.use(read_key_set(data, self._algorithms))
        except UnusableKeysError as error:
            return self.refuse(str(error))
        return True

    def use(self, keys: KeySet, *, quietly: bool = False) -> None:
        """Use these keys from now on."""
        before, self.keys = self.keys, keys
        was_wrong, self._wrong = self._wrong, ""
        if before is None or before.thumbprints != keys.thumbprints:
            self._keep_only(keys.thumbprints)
            if not quietly:
                self._say(True, f"{len(keys)} keys are known")
        elif was_wrong:
            self._say(True, "the same keys can be had again")

    def refuse(self, wrong: str) -> bool:
        """Say once that something is wrong; return False."""
        if wrong != self._wrong:
            self._wrong = wrong
            self._say(False, wrong)
        return False

    def drop(self) -> None:
        """Use the keys no more."""
        if self.keys is not None:
            self.keys = None
            self._keep_only(())
            self._say(False, "the keys are too old, and are used no more")

    def _say(self, accepted: bool, why: str) -> None:
        self._events.emit(MaterialChanged("jwks", self._name, accepted, self._source + why))


class JwksFile:
    """A set in a file, read again when it changes.

    Args:
        options: with `jwks_file`.
        clock: for looks at it.
        events: are told of changes.
        keep_only: told which keys hold, after they have changed.
    """

    def __init__(
        self, options: JwtOptions, clock: Clock, events: Events, keep_only: KeepOnly
    ) -> None:
        if options.jwks_file is None:
            raise ValueError(f"identity provider {options.name!r} has no jwks_file")
        self._path: Path = options.jwks_file
        self._algorithms = options.algorithms
        self._kept = KeptKeys(options, events, keep_only, f"{self._path}: ")
        self._watched = WatchedFiles((self._path,), self._read_again, clock)
        self._take(self._load(), quietly=True)

    @property
    def keys(self) -> KeySet | None:
        """The keys that are known."""
        return self._kept.keys

    @property
    def asking(self) -> bool:
        """That nobody asks."""
        return False

    @property
    def failing(self) -> bool:
        """That what can be had is there: a broken file says nothing of keys in the old one."""
        return False

    def start(self) -> None:
        """Begin to look at the file."""
        self._watched.start()

    async def stop(self) -> None:
        """Look at it no more."""
        await self._watched.stop()

    async def look(self) -> None:
        """Look at it now."""
        await self._watched.look()

    def may_wait(self) -> bool:
        """Tell that nothing can be waited for."""
        return False

    async def renewed(self) -> None:
        """Return at once."""

    def retry_after_s(self) -> float:
        """Return the seconds between looks."""
        return _FILE_RETRY_S

    async def _read_again(self) -> bool:
        return self._take(await asyncio.to_thread(self._load))

    def _load(self) -> KeySet | UnusableKeysError | OSError:
        try:
            with self._path.open("rb") as file:
                return read_key_set(file.read(MAX_SET_BYTES + 1), self._algorithms)
        except (UnusableKeysError, OSError) as error:
            return error

    def _take(self, found: KeySet | UnusableKeysError | OSError, *, quietly: bool = False) -> bool:
        """Use what was found; tell whether only a change can bring more."""
        if isinstance(found, OSError):
            return self._kept.refuse(f"cannot be read: {(found.strerror or 'fault').lower()}")
        if isinstance(found, UnusableKeysError):
            self._kept.refuse(str(found))
        else:
            self._kept.use(found, quietly=quietly)
        return True
