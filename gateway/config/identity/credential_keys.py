"""Metadata that carries credentials is no key of anything.

What a breaker or a limit is kept by stands in logs, in seawall.admin.v1 and in the shared
store. Names that say credential are refused whoever reads them (`config.credentials`); here are
those that only the identity providers make credentials: "x-partner", which carries API keys.
"""

from collections.abc import Iterator, Mapping

from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamPolicy

from gateway.config.credentials import is_credential
from gateway.config.values import Mistake

_METADATA = "metadata:"


def credential_key_mistakes(
    policy: MethodPolicy | UpstreamPolicy, identity: Identity
) -> Iterator[Mistake]:
    """Yield keys of breakers and limits that are callers' credentials, by paths from the policy.

    Args:
        policy: of one level, of methods or of an upstream.
        identity: `GatewayConfig.identity`.
    """
    read_by = _read_by(identity)
    if not read_by:
        return
    name = policy.breaker.key_metadata.lower()
    if name in read_by:
        yield (
            "breaker.key_metadata",
            f"{name!r} carries the keys of identity provider {read_by[name]!r}, and logs and "
            "seawall.admin.v1 show which key a breaker is for; name what may be shown",
        )
    if not isinstance(policy, MethodPolicy):
        return
    for limit in sorted(policy.rate_limits):
        for i, entry in enumerate(policy.rate_limits[limit].by):
            name = entry.removeprefix(_METADATA).lower()
            if entry.startswith(_METADATA) and name in read_by:
                yield (
                    f"rate_limits.{limit}.by[{i}]",
                    f"{name!r} carries the keys of identity provider {read_by[name]!r}, and "
                    "counts are kept by their keys; name 'caller', who is known by it",
                )


def _read_by(identity: Identity) -> Mapping[str, str]:
    """Return who reads which metadata, without names that are refused as they are."""
    return {
        provider.api_keys.metadata.lower(): name
        for name, provider in sorted(identity.providers.items())
        if provider.api_keys.metadata and not is_credential(provider.api_keys.metadata)
    }
