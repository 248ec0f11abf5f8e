"""Listeners, from the configuration file: options and mistakes.

`listen` (flag: --listen) is the shorthand for one listener without TLS that serves
everything. Rules:
1. The flag goes before `listen`. Beside `listeners` it is a mistake: nobody is to lose TLS and what
   is asked of callers by a flag.
2. `listen` beside `listeners` is a mistake: nobody knows which one is meant.
3. A listener is called by its address as the file writes it, so that no two may be the same.
   The shorthand is called "".
4. What a listener says of the proxies before it goes before `connections.trusted_hops`: one
   that callers reach directly believes no x-forwarded-for beside one that stands behind a
   proxy.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from seawall.config.v1.config_pb2 import GatewayConfig, Listener, ListenerTls
from seawall.policy.v1.policy_pb2 import UpstreamTls

from gateway.config.address import Address, address_of, parse_address
from gateway.config.connections import connection_mistakes
from gateway.config.document import Document
from gateway.config.material import BadMaterialError, TlsFiles, read_material
from gateway.config.own import METHODS
from gateway.config.suggest import no_such
from gateway.config.values import Mistake, under, walk
from gateway.core.errors import ConfigError, Problem

DEFAULT_LISTEN = "127.0.0.1:50051"

SUITES = "GRPC_SSL_CIPHER_SUITES"
"""The variable of the environment that gRPC takes cipher suites from."""
TLS_1_2_TOO = (
    "gRPC would speak TLS 1.2 here as well. What it speaks is of the whole process: start it with "
    f"{SUITES}=ECDHE-PSK-AES128-CBC-SHA in its environment, which leaves no suite of TLS 1.2"
)
"""What a listener is told that asks for TLS 1.3; that suite needs a shared key, which nobody
has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenerOptions:
    """One address where gRPC is served.

    Args:
        listen: the address.
        name: how calls and the configuration call it; "" for the shorthand.
        where: what a mistake that shows at the start is told with.
        tls: its files, None for plaintext.
        tls_1_3: whether nothing older is spoken.
        services: full names of what is served, None for everything.
    """

    listen: Address
    name: str = ""
    where: str = "--listen"
    tls: TlsFiles | None = None
    tls_1_3: bool = False
    services: frozenset[str] | None = None

    @property
    def own_only(self) -> bool:
        """Whether it serves the gateway's own services alone: probes, for one."""
        return self.services is not None and self.services <= METHODS.keys()

    @property
    def asks_for_certificates(self) -> bool:
        """Whether every client must have one."""
        return self.tls is not None and self.tls.client_ca is not None


def listener_options(
    document: Document, flag: str | None, environ: Mapping[str, str] = os.environ
) -> tuple[ListenerOptions, ...]:
    """Return where gRPC is served.

    Args:
        document: the configuration file.
        flag: of --listen, None where it was not used.
        environ: of the process that will serve.

    Raises:
        ConfigError: with every mistake in it.
    """
    config = document.config
    problems = [
        Problem(document.where(key), f"{key}: {text}")
        for key, text in (
            *listener_mistakes(config, None if flag else document.folder),
            *_version_mistakes(config, environ),
        )
    ]
    if flag and config.listeners:
        problems.append(
            Problem(
                "--listen",
                f"{document.where('listeners')} says where to listen, with what TLS and for whom; "
                "change it there, or take `listeners` out",
            )
        )
    if problems:
        raise ConfigError(problems)
    if flag or not config.listeners:
        where = "--listen" if flag else f"{document.where('listen')}: listen"
        return (
            ListenerOptions(
                listen=parse_address(flag or config.listen or DEFAULT_LISTEN, where), where=where
            ),
        )
    return tuple(
        ListenerOptions(
            listen=address_of(one.listen),
            name=one.listen,
            where=f"{document.where(f'listeners[{i}]')}: listeners[{i}]",
            tls=_files(one.tls, document.folder) if one.HasField("tls") else None,
            tls_1_3=one.tls.min_version == UpstreamTls.TLS_1_3,
            services=frozenset(one.services) or None,
        )
        for i, one in enumerate(config.listeners)
    )


def trusted_hops(listeners: Iterable[Listener]) -> dict[str, int]:
    """Return how many proxies are trusted, by the names of the listeners that say it."""
    return {one.listen: one.trusted_hops for one in listeners if one.HasField("trusted_hops")}


def _files(tls: ListenerTls, folder: Path) -> TlsFiles:
    return TlsFiles(
        cert=folder / tls.cert_file,
        key=folder / tls.key_file,
        client_ca=folder / tls.client_ca_file if tls.client_ca_file else None,
    )


def listener_mistakes(config: GatewayConfig, folder: Path | None) -> Iterator[Mistake]:
    """Yield what is wrong with `listen`, `listeners` and `connections`, by paths of keys.

    Args:
        config: the file.
        folder: what the paths of files start from; None where listeners are not used, and
            their files not looked at.
    """
    if config.listen and (wrong := _address_mistake(config.listen)):
        yield "listen", wrong
    if config.HasField("listen") and config.listeners:
        yield "listen", "`listeners` say it already; one of the two must go"
    first: dict[str, int] = {}
    for i, one in enumerate(config.listeners):
        at = f"listeners[{i}]"
        yield from under(at, _of_listener(one, folder))
        spelled = _spelled(one.listen)
        if spelled in first:
            yield f"{at}.listen", f"is the address of listeners[{first[spelled]}] already"
        first.setdefault(spelled, i)
    yield from under("connections", connection_mistakes(config.connections))


def _version_mistakes(config: GatewayConfig, environ: Mapping[str, str]) -> Iterator[Mistake]:
    """Yield what is sure to fail at the start; whether suites that are said do, shows then."""
    if environ.get(SUITES):
        return
    for i, one in enumerate(config.listeners):
        if one.tls.min_version == UpstreamTls.TLS_1_3:
            yield f"listeners[{i}].tls.min_version", TLS_1_2_TOO


def listener_doubts(config: GatewayConfig, folder: Path, wall: float) -> Iterator[Mistake]:
    """Yield certificates of listeners that are not in their time, by paths of keys.

    Args:
        config: the file, without mistakes.
        folder: what the paths of files start from.
        wall: now, in seconds since the Unix epoch.
    """
    for i, one in enumerate(config.listeners):
        if not one.HasField("tls"):
            continue
        material = read_material(_files(one.tls, folder))
        at = f"listeners[{i}].tls"
        if wrong := material.out_of_time(wall):
            yield f"{at}.cert_file", f"{one.tls.cert_file}: {wrong}"
        if wrong := _authorities_out_of_time(material.client_ca, wall):
            yield f"{at}.client_ca_file", f"{one.tls.client_ca_file}: {wrong}"


def _authorities_out_of_time(pem: bytes | None, wall: float) -> str:
    found = x509.load_pem_x509_certificates(pem) if pem is not None else []
    out = [
        one
        for one in found
        if not one.not_valid_before_utc.timestamp() <= wall <= one.not_valid_after_utc.timestamp()
    ]
    if not out:
        return ""
    which = "the authority" if len(found) == 1 else f"{len(out)} of {len(found)} authorities"
    verb = "is" if len(out) == 1 else "are"
    return f"{which} {verb} not in time, and no client is believed for it"


def _spelled(listen: str) -> str:
    """Return one spelling of an address; free ports are not the same, names are."""
    try:
        return str(address_of(listen))
    except ValueError:
        return listen


def _of_listener(one: Listener, folder: Path | None) -> Iterator[Mistake]:
    yield from walk(one, "")
    if not one.listen:
        yield "listen", "names no address; write HOST:PORT"
    elif wrong := _address_mistake(one.listen):
        yield "listen", wrong
    if one.HasField("tls"):
        yield from under("tls", _of_tls(one.tls, folder))
    for i, name in enumerate(one.services):
        if name in list(one.services)[:i]:
            yield f"services[{i}]", f"{name!r} is given twice"


def _of_tls(tls: ListenerTls, folder: Path | None) -> Iterator[Mistake]:
    for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if not getattr(tls, name):
            why = f"must be said too, for {other}" if getattr(tls, other) else "names no file"
            yield name, why
    if tls.HasField("client_ca_file") and not tls.client_ca_file:
        yield "client_ca_file", "names no file"
    elif folder is not None and tls.cert_file and tls.key_file:
        try:
            read_material(_files(tls, folder))
        except BadMaterialError as error:
            yield f"{error.which}_file", error.why


def _address_mistake(text: str) -> str:
    try:
        address_of(text)
    except ValueError as error:
        return str(error)
    return ""


def listener_service_mistakes(config: GatewayConfig, served: Collection[str]) -> Iterator[Mistake]:
    """Yield services of listeners that nobody serves, by paths of keys.

    Args:
        config: the file.
        served: full names of everything that is served, the gateway's own services included.
    """
    for i, one in enumerate(config.listeners):
        for j, name in enumerate(one.services):
            if name not in served:
                yield f"listeners[{i}].services[{j}]", no_such("service", name, sorted(served))
    if config.listeners and all(one.services for one in config.listeners):
        shown = {name for one in config.listeners for name in one.services}
        for name in sorted(set(served) - shown - METHODS.keys()):
            yield "listeners", f"{name} is served on none of them"
