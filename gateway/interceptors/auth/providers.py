"""All identity providers of a process, made once."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.interceptors.auth.api_keys import ApiKeys, ReadKeys
from gateway.interceptors.auth.certificates import Certificates
from gateway.interceptors.auth.found import Reader
from gateway.interceptors.auth.jwks_url import Fetch
from gateway.interceptors.auth.jwt import BearerTokens, Jwt
from gateway.interceptors.auth.options import ApiKeysOptions, JwtOptions, ProviderOptions

Provider = ApiKeys | Jwt | Certificates


class Providers:
    """The providers, by name.

    Args:
        options: of each; names are told apart by whoever made them.
        clock: for all that waits and expires.
        rng: for jitter.
        events: are told of keys that change.
        fetch: makes what asks for the keys of an issuer with a URL.
        read_keys: reads a file of API keys.

    Attributes:
        by_name: each of them.
        clock: theirs.
    """

    def __init__(
        self,
        options: Sequence[ProviderOptions],
        *,
        clock: Clock,
        rng: Rng,
        events: Events,
        fetch: Callable[[JwtOptions], Fetch],
        read_keys: ReadKeys,
    ) -> None:
        self.clock = clock
        self.by_name: dict[str, Provider] = {}
        for one in options:
            provider: Provider
            if isinstance(one, ApiKeysOptions):
                provider = ApiKeys(one, read_keys, clock, events)
            elif isinstance(one, JwtOptions):
                ask = None if one.jwks_file is not None else fetch(one)
                provider = Jwt(one, ask, clock, rng, events)
            else:
                provider = Certificates(one)
            self.by_name[one.name] = provider

    def __len__(self) -> int:
        return len(self.by_name)

    def start(self) -> None:
        """Begin to keep keys fresh, on the running event loop."""
        for provider in self.by_name.values():
            if not isinstance(provider, Certificates):
                provider.start()

    async def stop(self) -> None:
        """Keep keys fresh no more."""
        watched = [one for one in self.by_name.values() if not isinstance(one, Certificates)]
        await asyncio.gather(*(one.stop() for one in watched))

    def choose(
        self, names: Collection[str] | None
    ) -> tuple[dict[str, Reader], tuple[Certificates, ...]]:
        """Return what reads the credentials of the named providers.

        Args:
            names: whose word counts; None for everybody's.

        Returns:
            The readers by their metadata keys, and those of certificates.
        """
        chosen = [one for name, one in self.by_name.items() if names is None or name in names]
        readers: dict[str, Reader] = {}
        for one in chosen:
            if isinstance(one, ApiKeys):
                readers[one.metadata] = one
        issuers = [one for one in chosen if isinstance(one, Jwt)]
        if issuers:
            readers[BearerTokens.metadata] = BearerTokens(issuers, self.clock)
        return readers, tuple(one for one in chosen if isinstance(one, Certificates))
