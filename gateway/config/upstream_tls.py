"""TLS to upstreams, from policies: options of the client, mistakes, and where files are."""

from collections.abc import Iterator
from pathlib import Path

from seawall.policy.v1.policy_pb2 import UpstreamPolicy, UpstreamTls

from gateway.config.url import endpoint_mistake
from gateway.downstream.options import ClientOptions
from gateway.downstream.tls import AUTHORITIES, BadMaterialError, new_context

_FILES = ("ca_file", "cert_file", "key_file")
_VERSIONS = {UpstreamTls.TLS_1_2: "1.2", UpstreamTls.TLS_1_3: "1.3"}


def tls_mistakes(tls: UpstreamTls) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with what one level says; paths begin at the message."""
    for name in _FILES:
        if tls.HasField(name) and not getattr(tls, name):
            yield name, "names no file"
    if tls.HasField("server_name") and endpoint_mistake(_as_endpoint(tls.server_name)):
        yield "server_name", "is not the name or address of a host"


def merged_tls_mistakes(policy: UpstreamPolicy, client: ClientOptions) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with what all levels of an upstream come to, its files included.

    Args:
        policy: merged.
        client: of the upstream, made of it.
    """
    if policy.tls.key_file and not policy.tls.cert_file:
        yield "tls.key_file", "there is no tls.cert_file, whose key it could be"
        return
    if not any(getattr(policy.tls, name) for name in _FILES):
        return
    try:
        new_context(client)
    except BadMaterialError as error:
        yield "tls.ca_file" if error.kind == AUTHORITIES else "tls.cert_file", error.why


def place_files(tls: UpstreamTls, folder: Path) -> None:
    """Let the files of `tls`, which is changed, start from the configuration's folder."""
    for name in _FILES:
        if said := getattr(tls, name):
            setattr(tls, name, str(folder / said))


def oldest_tls(tls: UpstreamTls) -> str:
    """Return the oldest version that is spoken, as ClientOptions has it."""
    return _VERSIONS.get(tls.min_version, "1.2")


def _as_endpoint(host: str) -> str:
    return f"[{host}]:1" if ":" in host else f"{host}:1"
