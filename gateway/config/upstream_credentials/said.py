"""What a policy says of an upstream's credentials: which there are, which of it are secrets."""

import ipaddress
from collections.abc import Iterator, Set
from urllib.parse import urlsplit

from seawall.policy.v1.policy_pb2 import UpstreamCredentials, UpstreamPolicy

from gateway.config.url import parse_endpoint


def own_ways(credentials: UpstreamCredentials) -> list[str]:
    """Return the fields that say a credential of the upstream's own."""
    said = {
        "bearer_token": credentials.bearer_token,
        "basic": credentials.basic.username or credentials.basic.password,
        "headers": credentials.headers,
        "oauth2": credentials.oauth2.token_url or credentials.oauth2.client_secret,
    }
    return [name for name, value in said.items() if value]


def secrets_of(credentials: UpstreamCredentials) -> Iterator[tuple[str, str]]:
    """Yield every secret with the path of its field."""
    said = {
        "bearer_token": credentials.bearer_token,
        "basic.password": credentials.basic.password,
        **{f"headers.{name}": value for name, value in sorted(credentials.headers.items())},
        "oauth2.client_secret": credentials.oauth2.client_secret,
    }
    return ((path, value) for path, value in said.items() if value)


def hide_credentials(policy: UpstreamPolicy, hidden: str, referenced: Set[str]) -> None:
    """Put `hidden` in the place of every secret of `policy`, which is a copy to be shown.

    Args:
        policy: is changed.
        hidden: what is shown instead.
        referenced: values that came from the environment or a file, hidden in fields that
            are no secrets by themselves too.
    """
    if not policy.HasField("credentials"):
        return
    credentials = policy.credentials
    basic, oauth2 = credentials.basic, credentials.oauth2
    if credentials.bearer_token:
        credentials.bearer_token = hidden
    for name in list(credentials.headers):
        credentials.headers[name] = hidden
    if basic.password:
        basic.password = hidden
    if basic.username in referenced:
        basic.username = hidden
    if oauth2.client_secret:
        oauth2.client_secret = hidden
    for name in ("client_id", "audience", "token_url"):
        if getattr(oauth2, name) in referenced:
            setattr(oauth2, name, hidden)


def is_open(url: str, endpoints: tuple[str, ...] = ()) -> bool:
    """Tell whether what is sent there can be read on its way: http to another machine."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return False
    hosts = [parse_endpoint(one)[0] for one in endpoints] or [parts.hostname or ""]
    return not all(map(_is_this_machine, hosts))


def _is_this_machine(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
