"""Credentials beside other things that are said: conflicts with methods, and what is doubted."""

from collections.abc import Iterator, Set

from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamCredentials, UpstreamPolicy

from gateway.config.credentials import is_credential
from gateway.config.upstream_credentials.mistakes import Mistake
from gateway.config.upstream_credentials.options import (
    AUTHORIZATION,
    caller_of,
    credential_options,
)
from gateway.config.upstream_credentials.said import is_open, own_ways, secrets_of
from gateway.downstream.credentials import Caller


def credential_conflicts(upstream: UpstreamPolicy, method: MethodPolicy) -> Iterator[Mistake]:
    """Yield headers that a method says and the credential of its upstream is.

    Args:
        upstream: of the method, merged.
        method: merged for it; paths begin at it.
    """
    if caller_of(upstream) is Caller.FORWARD:
        return
    options = credential_options(upstream)
    names = {AUTHORIZATION} if options.oauth2 is not None else set(options.headers)
    for kind in ("set", "request_fields"):
        for name in sorted(getattr(method.headers, kind)):
            if name.lower() in names:
                yield (
                    f"headers.{kind}.{name}",
                    f"is what the upstream {upstream.name!r} is sent as credentials; "
                    "one of them must go",
                )


def credential_doubts(
    policy: UpstreamPolicy, referenced: Set[str] = frozenset()
) -> Iterator[Mistake]:
    """Yield what is no mistake and hardly what was meant; paths begin at the policy.

    Args:
        policy: merged.
        referenced: values that came from the environment or a file.
    """
    credentials = policy.credentials
    if own_ways(credentials) and is_open(policy.url, tuple(policy.endpoints)):
        yield (
            "credentials",
            "the URL is http: credentials travel in the open to another machine; use https",
        )
    for path, value in secrets_of(credentials):
        if value not in referenced:
            yield (
                f"credentials.{path}",
                "stands in the file itself; ${NAME} or file:PATH keep it out of there",
            )
    exchanges = credentials.caller == UpstreamCredentials.EXCHANGE
    if credentials.oauth2.HasField("max_tokens") and not exchanges:
        yield "credentials.oauth2.max_tokens", "nothing is exchanged; there is one token"


def fixed_header_doubts(
    method: MethodPolicy, upstream: str, referenced: Set[str] = frozenset()
) -> Iterator[Mistake]:
    """Yield fixed headers that look like secrets, and go to an upstream that is a fallback.

    Args:
        method: merged for that upstream; paths begin at it.
        upstream: its name.
        referenced: values that came from the environment or a file.
    """
    for name, value in sorted(method.headers.set.items()):
        if is_credential(name) or value in referenced:
            yield (
                f"headers.set.{name}",
                f"is sent to the fallback {upstream!r} too; say a secret of one upstream as its "
                "credentials",
            )


def forwarding_doubts(method: MethodPolicy, withheld: Set[str]) -> Iterator[Mistake]:
    """Yield credentials that a method forwards to an upstream that callers' are kept from.

    Args:
        method: merged; paths begin at it.
        withheld: what is not sent all the same, as `withheld_names` says; nothing where
            callers' credentials are forwarded.
    """
    if not withheld:
        return
    for i, name in enumerate(method.headers.forward_request):
        if name.lower() not in withheld and is_credential(name):
            yield (
                f"headers.forward_request[{i}]",
                f"{name!r} looks like a credential, and is sent although credentials.caller "
                "keeps callers' credentials from this upstream",
            )
