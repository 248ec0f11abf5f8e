"""What is told of identities: who is known, for people, and what is hardly meant so."""

from collections.abc import Iterator
from pathlib import Path

from seawall.config.v1.config_pb2 import GatewayConfig, Identity, IdentityProvider

from gateway.config.identity.auth import auth_options
from gateway.config.identity.key import ended, key_option
from gateway.config.identity.keys_file import read_keys
from gateway.config.values import Mistake
from gateway.interceptors.auth import Mode

_WITHOUT = {
    Mode.REQUIRED: "a call without a credential is refused, unless its method or listener says "
    "otherwise",
    Mode.OPTIONAL: "a call may be without a credential, unless its method or listener says "
    "otherwise",
    Mode.NONE: "nobody is asked, unless a method or listener says otherwise",
}


def callers(config: GatewayConfig) -> str:
    """Return who may call, in one line for people.

    Args:
        config: without mistakes.
    """
    providers = config.identity.providers
    if not providers:
        return "not identified (there are no identity.providers)"
    known = ", ".join(f"{name} ({_credential(providers[name])})" for name in sorted(providers))
    mode = auth_options(config.defaults.method.auth, config.identity).mode
    return f"identified by {known}; {_WITHOUT[mode]}"


def _credential(provider: IdentityProvider) -> str:
    if provider.HasField("api_keys"):
        return f"API keys in {provider.api_keys.metadata or 'x-api-key'}"
    if provider.HasField("jwt"):
        return f"tokens of {provider.jwt.issuer}"
    return "client certificates"


def identity_doubts(identity: Identity, folder: Path, wall: float) -> Iterator[Mistake]:
    """Yield API keys that have ended, by paths from the file's top.

    Args:
        identity: `GatewayConfig.identity`, without mistakes.
        folder: where relative paths start.
        wall: now, in seconds since the Unix epoch.
    """
    for name, provider in sorted(identity.providers.items()):
        at = f"identity.providers.{name}.api_keys"
        for i, said in enumerate(provider.api_keys.keys):
            if when := ended(key_option(said), wall):
                yield f"{at}.keys[{i}].expires", f"the key of {said.caller!r} ended at {when}"
        if not provider.api_keys.file:
            continue
        over = [key for key in read_keys(folder / provider.api_keys.file) if ended(key, wall)]
        if over:
            more = f", and {len(over) - 1} more of the file" if len(over) > 1 else ""
            first = f"the key of {over[0].caller!r} ended at {ended(over[0], wall)}"
            yield f"{at}.file", f"{provider.api_keys.file}: {first}{more}"
