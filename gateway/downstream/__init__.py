"""HTTP to the upstreams. The only place that imports an HTTP client."""

from gateway.core.clock import Clock, Rng
from gateway.core.http import HttpClient
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions
from gateway.downstream.redirects import following


def new_client(options: ClientOptions, clock: Clock, rng: Rng) -> HttpClient:
    """Return the client of one upstream. Must be called on the running event loop."""
    if options.max_redirects:
        return following(options, lambda inner: Http1Client(inner, clock, rng))
    return Http1Client(options, clock, rng)
