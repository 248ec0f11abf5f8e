"""What is hardly meant so of limits."""

from collections.abc import Iterator

from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.identity import auth_options
from gateway.config.limits.by import part_of
from gateway.config.values import Mistake
from gateway.interceptors.auth import Mode
from gateway.interceptors.rate_limit import Source


def limit_doubts(policy: MethodPolicy, identity: Identity) -> Iterator[Mistake]:
    """Yield limits by caller where nobody is known, by paths from the policy.

    Args:
        policy: merged.
        identity: `GatewayConfig.identity`.
    """
    if auth_options(policy.auth, identity).mode is not Mode.NONE:
        return
    why = "auth.mode is NONE" if identity.providers else "there are no identity.providers"
    for name in sorted(policy.rate_limits):
        said = policy.rate_limits[name]
        for i, entry in enumerate(() if said.disabled else said.by):
            part = part_of(entry)
            if part is not None and part.source is Source.CALLER:
                yield (
                    f"rate_limits.{name}.by[{i}]",
                    f"nobody's name is known ({why}): callers are counted by their addresses; "
                    "say 'peer' if that is meant",
                )
