"""What methods and listeners say of callers, and what they may not say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from seawall.config.v1.config_pb2 import Identity, IdentityProvider, Listener
from seawall.policy.v1.policy_pb2 import AuthPolicy

from gateway.config.identity.key import role_mistakes
from gateway.config.suggest import no_such
from gateway.config.values import Mistake
from gateway.interceptors.auth import AuthOptions, ListenerAuth, Mode


def auth_mistakes(auth: AuthPolicy, identity: Identity) -> Iterator[Mistake]:
    """Yield what is wrong with what one level says, by paths from its policy.

    Args:
        auth: of one level, not merged: what another level says may be meant for others.
        identity: `GatewayConfig.identity`.
    """
    yield from _unknown("auth.providers", auth.providers, identity)
    if auth.mode == AuthPolicy.REQUIRED and not identity.providers:
        yield "auth.mode", "nobody can have a credential: there are no identity.providers"
    for i, role in enumerate(auth.roles):
        yield from role_mistakes(f"auth.roles[{i}]", role)
    if auth.roles and not identity.providers:
        yield "auth.roles", "nobody can have a role: there are no identity.providers"
    elif auth.roles and auth.mode == AuthPolicy.NONE:
        yield "auth.roles", "auth.mode is NONE, which looks at no caller and so at no role"


def listener_auth_mistakes(listeners: Sequence[Listener], identity: Identity) -> Iterator[Mistake]:
    """Yield what is wrong with what listeners say of callers, by paths from the file's top."""
    for i, listener in enumerate(listeners):
        yield from _unknown(f"listeners[{i}].providers", listener.providers, identity)
        if listener.auth == AuthPolicy.REQUIRED and not identity.providers:
            yield f"listeners[{i}].auth", "there are no identity.providers"
        if listener.auth == AuthPolicy.NONE and listener.providers:
            yield f"listeners[{i}].providers", "auth is NONE, which looks at no credential"
        yield from _without_certificates(i, listener, identity)


def auth_doubts(auth: AuthPolicy, identity: Identity) -> Iterator[Mistake]:
    """Yield what is hardly meant so, by paths from the policy.

    Args:
        auth: all levels merged.
        identity: `GatewayConfig.identity`.
    """
    if not auth.roles or not identity.providers:
        return
    if auth.mode == AuthPolicy.NONE:
        return  # written down as the exception for this method, whatever roles others need
    counted = [
        provider
        for name, provider in sorted(identity.providers.items())
        if not auth.providers or name in auth.providers
    ]
    if any(_may_give_any(provider) for provider in counted):
        return
    given = {role for provider in counted for role in _roles_of(provider)}
    for role in sorted(set(auth.roles) - given):
        yield "auth.roles", f"no identity provider that counts here gives the role {role!r}"


def listener_auth_doubts(
    listeners: Sequence[Listener], methods: Iterable[tuple[str, str, AuthPolicy]]
) -> Iterator[Mistake]:
    """Yield listeners that open what asks for roles elsewhere, by paths from the file's top.

    Args:
        listeners: of the configuration.
        methods: service, full name and merged policy of each that is served.
    """
    known = list(methods)
    for i, listener in enumerate(listeners):
        if listener.auth != AuthPolicy.NONE:
            continue
        opened = [
            name
            for service, name, auth in known
            if auth.roles and (not listener.services or service in listener.services)
        ]
        if opened:
            more = f" and {len(opened) - 1} more" if len(opened) > 1 else ""
            yield (
                f"listeners[{i}].auth",
                f"NONE opens {opened[0]}{more} to everybody, which elsewhere asks for a role; say "
                "`services`, or leave `auth` out",
            )


def auth_options(auth: AuthPolicy, identity: Identity) -> AuthOptions:
    """Return the options of a method.

    Args:
        auth: all levels merged.
        identity: `GatewayConfig.identity`. Built-in: REQUIRED where it has providers, else
            NONE.
    """
    usual = Mode.REQUIRED if identity.providers else Mode.NONE
    return AuthOptions(
        mode=Mode(auth.mode) if auth.mode else usual,
        providers=frozenset(auth.providers),
        roles=frozenset(auth.roles),
    )


def listener_auth_options(listeners: Iterable[Listener]) -> Mapping[str, ListenerAuth]:
    """Return what listeners say, by their addresses; those that say nothing are left out."""
    return {
        listener.listen: ListenerAuth(
            mode=Mode(listener.auth) if listener.auth else None,
            providers=frozenset(listener.providers),
        )
        for listener in listeners
        if listener.auth or listener.providers
    }


def _unknown(path: str, names: Iterable[str], identity: Identity) -> Iterator[Mistake]:
    for i, name in enumerate(names):
        if name not in identity.providers:
            yield f"{path}[{i}]", no_such("identity provider", name, sorted(identity.providers))


def _without_certificates(i: int, listener: Listener, identity: Identity) -> Iterator[Mistake]:
    known = [name for name in listener.providers if name in identity.providers]
    if listener.tls.client_ca_file or not known:
        return
    if all(identity.providers[name].HasField("certificates") for name in known):
        yield (
            f"listeners[{i}].providers",
            "only certificates count here, and the listener asks for none: "
            "tls.client_ca_file is not said",
        )


def _may_give_any(provider: IdentityProvider) -> bool:
    return provider.HasField("jwt") or bool(provider.api_keys.file)


def _roles_of(provider: IdentityProvider) -> set[str]:
    keys = {role for key in provider.api_keys.keys for role in key.roles}
    return keys | {role for name in provider.certificates.names for role in name.roles}
