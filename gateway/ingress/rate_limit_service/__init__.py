"""envoy.service.ratelimit.v3.RateLimitService: the gateway's limits for Envoys and others."""

from gateway.ingress.rate_limit_service.messages import SERVICE, descriptors
from gateway.ingress.rate_limit_service.service import Domain, RateLimitTarget

__all__ = ["SERVICE", "Domain", "RateLimitTarget", "descriptors"]
