"""What stands before every method, made once: identities, counts of limits, addresses.

Part of the composition root, beside `app.py` and `pipelines.py`: from the configuration to
what `chain.Surroundings` holds of the edge.
"""

from typing import Any
from urllib.parse import urlsplit

from seawall.config.v1.config_pb2 import GatewayConfig

from gateway import __version__
from gateway.chain import OwnOptions
from gateway.config.catalog import Catalog
from gateway.config.document import Document
from gateway.config.identity import (
    auth_options,
    listener_auth_options,
    provider_options,
    read_keys,
)
from gateway.config.limits.declared import declared_limits
from gateway.config.listeners import trusted_hops
from gateway.config.own import own_policies
from gateway.config.state import StateOptions, state_options
from gateway.config.upstream_credentials import metadata_of_identities
from gateway.core.call import MethodInfo
from gateway.core.catalog import ErrorNames
from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.core.http import HttpClient, HttpRequest
from gateway.core.peer import PeerAddress
from gateway.downstream import new_client
from gateway.downstream.options import ClientOptions
from gateway.interceptors.auth import MAX_SET_BYTES, Fetch, JwtOptions, Providers
from gateway.state.guarded import GuardedLimits
from gateway.state.memory_limits import MemoryLimits

_MAX_REDIRECTS = 3
_CONNECTIONS = 2


class _Questions:
    """Asks one URL for the keys of an issuer; the client is made when it is first needed."""

    def __init__(self, options: JwtOptions, clock: Clock, rng: Rng) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._client: HttpClient | None = None

    async def __call__(self) -> bytes:
        """Return the body of the answer.

        Raises:
            CallError: there is none.
            OSError: it is no success.
        """
        parts = urlsplit(self._options.jwks_url)
        if self._client is None:
            options = ClientOptions(
                name=f"{self._options.name}.jwks",
                url=f"{parts.scheme}://{parts.netloc}",
                max_connections=_CONNECTIONS,
                connect_timeout_s=self._options.timeout_s,
                max_redirects=_MAX_REDIRECTS,
                ca_file=None if self._options.ca_file is None else str(self._options.ca_file),
            )
            self._client = new_client(options, self._clock, self._rng)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"accept": "application/json", "user-agent": f"seawall/{__version__}"}
        answer = await self._client.fetch(
            HttpRequest("GET", target, headers),
            max_body_bytes=MAX_SET_BYTES,
            max_error_bytes=0,
        )
        if not 200 <= answer.status < 300:
            raise OSError(f"it answered {answer.status}")
        return answer.body

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()


def _limits(
    options: StateOptions, clock: Clock, rng: Rng, events: Events
) -> MemoryLimits | GuardedLimits:
    """Return what counts calls: this process, or the store that several share."""
    if options.shared is None:
        return MemoryLimits(clock)
    # What needs the client of the store is loaded where there is a store.
    from gateway.state.redis_client import RedisClient
    from gateway.state.redis_limits import RedisLimits
    from gateway.state.redis_question import LinkOptions

    link = LinkOptions(timeout_s=options.limit_timeout_s)
    return GuardedLimits(RedisLimits(RedisClient(options.shared), clock, link), clock, rng, events)


class Edge:
    """The edge of one process.

    Args:
        document: the configuration.
        clock: for all of it.
        rng: for jitter.
        events: told of what changes.
    """

    def __init__(self, document: Document, clock: Clock, rng: Rng, events: Events) -> None:
        config = document.config
        self._document = document
        self._questions: list[_Questions] = []
        self._clock = clock
        self._rng = rng
        self.providers: Providers | None = None
        if config.identity.providers:
            self.providers = Providers(
                provider_options(config.identity, document.folder),
                clock=clock,
                rng=rng,
                events=events,
                fetch=self._fetch,
                read_keys=read_keys,
            )
        self.limits = _limits(state_options(config.state), clock, rng, events)
        self.peer = PeerAddress(config.connections.trusted_hops, trusted_hops(config.listeners))

    def _fetch(self, options: JwtOptions) -> Fetch:
        questions = _Questions(options, self._clock, self._rng)
        self._questions.append(questions)
        return questions

    def surroundings(self) -> dict[str, Any]:
        """Return what `chain.Surroundings` takes of the edge."""
        return {
            "providers": self.providers,
            "listeners": listener_auth_options(self._document.config.listeners),
            "limits": self.limits,
            "peer": self.peer,
            "credential_metadata": metadata_of_identities(self._document.config.identity),
        }

    def own_options(
        self, methods: list[MethodInfo], catalog: Catalog
    ) -> dict[MethodInfo, OwnOptions]:
        """Return what holds for the methods that the gateway answers itself."""
        config: GatewayConfig = self._document.config
        own = catalog.own()
        return {
            method: OwnOptions(
                auth=auth_options(policy.auth, config.identity),
                limits=declared_limits(policy, origins, method.full_name, ""),
                names=ErrorNames((), own) if own else None,
            )
            for method, (policy, origins) in own_policies(self._document, methods).items()
        }

    async def start(self) -> None:
        """Begin to keep keys fresh, and reach for the shared store; a dead one stops nothing."""
        if self.providers is not None:
            self.providers.start()
        if isinstance(self.limits, GuardedLimits):
            await self.limits.start()

    async def stop(self) -> None:
        """End what was begun, and close what is open."""
        if self.providers is not None:
            await self.providers.stop()
        for questions in self._questions:
            await questions.close()
        await self.limits.close()
