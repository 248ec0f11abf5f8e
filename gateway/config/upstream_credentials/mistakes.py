"""What may not be said of an upstream's credentials. Imports no other checks, which import it."""

import re
from collections.abc import Iterator

from seawall.policy.v1.policy_pb2 import OAuth2Credentials, UpstreamCredentials, UpstreamPolicy

from gateway.config.upstream_credentials.said import is_open, own_ways, secrets_of
from gateway.config.url import url_mistake
from gateway.transcode.headers import check_header_name, check_header_value

Mistake = tuple[str, str]
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MOST_TOKENS = 1_000_000


def credential_mistakes(credentials: UpstreamCredentials) -> Iterator[Mistake]:
    """Yield what is wrong with what one level says; paths begin at the message."""
    if credentials.bearer_token and _is_no_token(credentials.bearer_token):
        yield "bearer_token", 'must be printable ASCII without spaces, and without "Bearer"'
    for name in ("username", "password"):
        said = getattr(credentials.basic, name)
        if not said.isprintable():
            yield f"basic.{name}", "must have no control characters (RFC 7617)"
    if ":" in credentials.basic.username:
        yield "basic.username", "must not hold ':', which ends it (RFC 7617)"
    yield from _header_mistakes(credentials)
    yield from _oauth2_mistakes(credentials.oauth2)


def _header_mistakes(credentials: UpstreamCredentials) -> Iterator[Mistake]:
    seen: set[str] = set()
    for name, value in sorted(credentials.headers.items()):
        if not _NAME.fullmatch(name):
            # Whoever swaps the two has written the secret where the name belongs.
            yield "headers", "has a key that is no header name (not shown); write NAME: VALUE"
        elif wrong := check_header_name(name) or check_header_value(value):
            yield f"headers.{name}", wrong
        if name.lower() in seen:
            yield f"headers.{name}", "is given twice, in another case"
        seen.add(name.lower())


def _oauth2_mistakes(oauth2: OAuth2Credentials) -> Iterator[Mistake]:
    if oauth2.token_url:
        if wrong := url_mistake(oauth2.token_url):
            yield "oauth2.token_url", wrong
        elif is_open(oauth2.token_url):
            yield (
                "oauth2.token_url",
                "must be https: secrets travel to it; http is for this machine only",
            )
    if ":" in oauth2.client_id or not oauth2.client_id.isprintable():
        yield "oauth2.client_id", "must have no ':' and no control characters"
    for i, scope in enumerate(oauth2.scopes):
        if not scope or _is_no_token(scope) or '"' in scope or "\\" in scope:
            yield f"oauth2.scopes[{i}]", "is not a scope (RFC 6749, 3.3); write one an entry"
    if oauth2.HasField("max_tokens") and not 1 <= oauth2.max_tokens <= _MOST_TOKENS:
        yield "oauth2.max_tokens", f"must be 1 to {_MOST_TOKENS}, found {oauth2.max_tokens}"


def _is_no_token(text: str) -> bool:
    return not (text.isascii() and text.isprintable()) or " " in text


def merged_credential_mistakes(policy: UpstreamPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with what all levels of an upstream come to."""
    credentials = policy.credentials
    ways, oauth2 = own_ways(credentials), credentials.oauth2
    exchanges = credentials.caller == UpstreamCredentials.EXCHANGE
    for other in ways[1:]:
        yield (
            f"credentials.{other}",
            f"credentials.{ways[0]} says another credential of the upstream's own; "
            "one of them must go",
        )
    if exchanges and not oauth2.token_url:
        yield "credentials.caller", "EXCHANGE needs credentials.oauth2.token_url"
    basic = credentials.basic
    if bool(basic.username) != bool(basic.password):
        missing = "password" if basic.username else "username"
        yield f"credentials.basic.{missing}", "must be said"
    if not oauth2.ListFields():
        return
    if not oauth2.token_url and not exchanges:
        yield "credentials.oauth2.token_url", "must be said"
    # Who only exchanges may be a client without a secret, or none (RFC 8693, 2.1).
    for name in ("client_id",) if exchanges else ("client_id", "client_secret"):
        if not getattr(oauth2, name) and (not exchanges or oauth2.client_secret):
            yield f"credentials.oauth2.{name}", "must be said"


def credential_option_mistakes(credentials: UpstreamCredentials) -> Iterator[Mistake]:
    """Yield secrets in proto options, which reflection shows to every caller."""
    for path, _ in secrets_of(credentials):
        yield (
            path,
            "is a secret, and reflection shows proto options to every caller; "
            "say it in the configuration file",
        )
