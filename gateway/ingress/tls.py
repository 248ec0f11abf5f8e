"""The TLS of one listener, read again when its files change.

Where it stands: gRPC asks a `Handout` at every new connection, from a thread of its own; on
listeners that ask clients for certificates, `certificate_names` is called once a call.

Rules:
1. New connections use what the files say now; those that are open go on as they are. No call
   is dropped.
2. Files that change are looked through first (`config/material.py`), in a thread beside the
   calls. What cannot be used leaves what was there in use, and is told once.
3. A certificate that is not in its time takes the place of none that is. It is looked at again
   every second: one that was put in place early is used from its first moment on. Where
   nothing better is there it is used, and that is told.
4. gRPC remembers what it was handed out; a Handout is for one server and says None where
   nothing has changed.
5. TLS 1.2 is the oldest version that gRPC speaks, and Python cannot raise that for a listener.
   It can be raised for the process, before it starts: cipher suites of TLS 1.2 are taken from
   the environment, those of TLS 1.3 are not. A listener that asks for 1.3 is therefore tried
   with a greeting of TLS 1.2 when it starts, and does not serve where that is answered.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from gateway.config.listeners import TLS_1_2_TOO, ListenerOptions
from gateway.config.material import BadMaterialError, Material, TlsFiles, read_material
from gateway.core.clock import Clock
from gateway.core.errors import ConfigError
from gateway.core.events import Events, MaterialChanged
from gateway.core.watched import WatchedFiles

_KIND = "certificate"
_SERVER_HELLO = 0x16


class ListenerTls:
    """What a listener is secured by.

    Args:
        options: of the listener; it has files.
        clock: for the time between looks, and whether certificates are in their time.
        events: told of what was read.

    Raises:
        ConfigError: the files cannot be used.
    """

    def __init__(self, options: ListenerOptions, clock: Clock, events: Events) -> None:
        assert options.tls is not None
        self._files: TlsFiles = options.tls
        self._name = options.name
        self._clock = clock
        self._events = events
        self._told = ""
        # Before the files are read: what changes in between is seen as a change.
        self._watched = WatchedFiles(self._files.paths, self._read_again, clock)
        try:
            self._material = read_material(self._files)
        except BadMaterialError as error:
            raise ConfigError.one(f"{options.where}.tls.{error.which}_file", error.why) from None
        self.configuration = _configuration(self._material)

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of one server."""
        fetch: Any = Handout(self)  # the stubs do not know that it may return None
        return grpc.dynamic_ssl_server_credentials(
            self.configuration, fetch, self._files.client_ca is not None
        )

    def start(self) -> None:
        """Look at the files from now on, on the running event loop."""
        if wrong := self._material.out_of_time(self._clock.wall()):
            self._tell(f"in use, although {wrong}", accepted=True)
        self._watched.start()

    async def stop(self) -> None:
        """Look at files no more."""
        await self._watched.stop()

    def read(self) -> bool:
        """Read the files; return whether what they hold is in use now."""
        return self._take(self._load())

    async def _read_again(self) -> bool:
        return self._take(await asyncio.to_thread(self._load))

    def _load(self) -> Material | BadMaterialError:
        try:
            return read_material(self._files)
        except BadMaterialError as error:
            return error

    def _take(self, material: Material | BadMaterialError) -> bool:
        if isinstance(material, BadMaterialError):
            self._tell(material.why, accepted=False)
            return False
        wall = self._clock.wall()
        wrong = material.out_of_time(wall)
        if wrong and not self._material.out_of_time(wall):
            self._tell(wrong, accepted=False)
            return False
        if material != self._material:
            self._material = material
            self.configuration = _configuration(material)
            why = f"in use, although {wrong}" if wrong else "its files have changed"
            self._told = ""
            self._tell(why, accepted=True)
        self._told = ""
        return True

    def _tell(self, why: str, *, accepted: bool) -> None:
        if why != self._told:  # they are looked at every second
            self._told = why
            self._events.emit(MaterialChanged(_KIND, self._name, accepted, why))


class Handout:
    """Hands the configuration out to one server, once each.

    Args:
        tls: has it.
    """

    def __init__(self, tls: ListenerTls) -> None:
        self._tls = tls
        self._last = tls.configuration

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is new, None where nothing is; called by gRPC's threads."""
        current = self._tls.configuration
        if current is self._last:
            return None
        self._last = current
        return current


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.cert)], material.client_ca
    )


_NAMES = (
    ("URI:", "peer_uri"),
    ("DNS:", "peer_dns"),
    ("email:", "peer_email"),
    ("CN:", "x509_common_name"),
)
_NONE: tuple[bytes, ...] = ()


def certificate_names(context: Mapping[str, Iterable[bytes]]) -> tuple[str, ...]:
    """Return the names of a client's certificate, from what gRPC verified of it.

    "URI:…", "DNS:…", "email:…", "CN:…", in this order. A name that is not UTF-8 is none.
    """
    names = []
    for kind, key in _NAMES:
        for name in context.get(key, _NONE):
            try:
                names.append(kind + name.decode())
            except UnicodeDecodeError:
                continue
    return tuple(names)


async def check_oldest(options: ListenerOptions, host: str, port: int) -> None:
    """Make sure that a listener that asks for TLS 1.3 speaks nothing older.

    Raises:
        ConfigError: it does.
    """
    if options.tls is not None and options.tls_1_3 and await _answers_tls_1_2(host, port):
        raise ConfigError.one(
            f"{options.where}.tls.min_version",
            TLS_1_2_TOO,
        )


async def _answers_tls_1_2(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    greeting = ssl.MemoryBIO()
    hello = context.wrap_bio(ssl.MemoryBIO(), greeting)
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(greeting.read())
        first = await reader.read(1)
    except OSError:
        first = b""
    finally:
        writer.close()
    return first[:1] == bytes((_SERVER_HELLO,))
