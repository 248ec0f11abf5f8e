"""What new connections to one upstream are secured by, read again when its files change.

Where it stands: `dial.py` takes `context` for each connection. It knows no sockets.

Rules:
1. The upstream's certificate must be signed by the declared authorities, or the system's,
   be in its time, and have the name. HTTP/1.1 is offered and nothing else.
2. Files that change are read again (`core.watched`). All of them must fit together: a
   certificate without its key, or a file without certificates, leaves what was there in use,
   and is told once.
3. New connections use what is new. Those that are open go on as they are.
4. A key that asks for a password is refused: nobody is there to type one.
"""

import hashlib
import ssl
from pathlib import Path

from gateway.core.clock import Clock
from gateway.core.errors import CallError
from gateway.core.events import Events, MaterialChanged
from gateway.core.watched import WatchedFiles
from gateway.downstream import errors
from gateway.downstream.options import ClientOptions

AUTHORITIES = "authorities"
CERTIFICATE = "certificate"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_NOT_READ = "cannot be read"


class BadMaterialError(Exception):
    """Files that no connection can be secured by.

    Args:
        kind: which of them: "authorities" or "certificate".
        why: a phrase that names files, and nothing that they hold.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


class UpstreamTls:
    """The files of one upstream, and what they say.

    Args:
        options: of the upstream's client.

    Attributes:
        context: for the next connection.

    Raises:
        BadMaterialError: the files cannot be used.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._digests = self._read_digests()
        self.context = new_context(options)
        self._events: Events | None = None
        self._watched: WatchedFiles | None = None
        self._told: tuple[str, str, dict[str, bytes]] | None = None

    def watch(self, clock: Clock, events: Events) -> None:
        """Read the files again from now on when they change; on the running event loop.

        Args:
            clock: for the time between looks.
            events: told of what was read.
        """
        self._events = events
        self._watched = WatchedFiles([Path(p) for p in self._paths()], self.read, clock)
        if self._read_digests() != self._digests:  # they have changed since they were read
            self.read()
        self._watched.start()

    async def close(self) -> None:
        """Look at files no more."""
        if self._watched is not None:
            await self._watched.stop()

    def read(self) -> bool:
        """Read all files; return whether what they say is in use now."""
        digests = self._read_digests()
        changed = [kind for kind, digest in digests.items() if digest != self._digests[kind]]
        try:
            context = new_context(self._options)
        except BadMaterialError as error:
            news = (error.kind, error.why, digests)
            if news != self._told:  # it is looked at again every second
                self._told = news
                self._tell(error.kind, error.why, accepted=False)
            return False
        self._told = None
        self.context, self._digests = context, digests
        for kind in changed:
            self._tell(kind, "its file has changed", accepted=True)
        return True

    def _tell(self, kind: str, why: str, *, accepted: bool) -> None:
        if self._events is not None:
            self._events.emit(MaterialChanged(kind, self._options.name, accepted, why))

    def _paths(self) -> list[str]:
        options = self._options
        return [p for p in (options.ca_file, options.cert_file, options.key_file) if p]

    def _read_digests(self) -> dict[str, bytes]:
        options = self._options
        return {
            AUTHORITIES: _digest(options.ca_file),
            CERTIFICATE: _digest(options.cert_file) + _digest(options.key_file),
        }


def new_context(options: ClientOptions) -> ssl.SSLContext:
    """Return what a connection is secured by, as the files say now.

    Raises:
        BadMaterialError: they cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ValueError) as error:
        why = _why(error, "holds no PEM certificates")
        raise BadMaterialError(AUTHORITIES, f"{options.ca_file} {why}") from None
    context.minimum_version = _VERSIONS[options.oldest_tls]
    context.set_alpn_protocols(["http/1.1"])
    if options.cert_file:
        try:
            context.load_cert_chain(options.cert_file, options.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            files = options.cert_file + (f" with {options.key_file}" if options.key_file else "")
            raise BadMaterialError(CERTIFICATE, f"{files} {_why(error, _of_pair(error))}") from None
    return context


def _no_password() -> str:
    return ""


def _of_pair(error: Exception) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return "do not fit together: the key is not the certificate's"
    return "hold no PEM certificate and its key, without a password"


def _why(error: Exception, broken: str) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"{_NOT_READ}: {(error.strerror or type(error).__name__).lower()}"
    return broken


def _digest(path: str | None) -> bytes:
    if path is None:
        return b""
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b"missing"


# What a handshake that failed is told as

_HINTS = {
    "unable to get local issuer certificate": "none of the trusted authorities has signed it "
    "(tls.ca_file)",
    "self-signed certificate in certificate chain": "none of the trusted authorities has signed "
    "it (tls.ca_file)",
}
_ALERTS = {
    "CERTIFICATE_REQUIRED": "it asks for the gateway's certificate (tls.cert_file)",
    "HANDSHAKE_FAILURE": "it refuses the handshake; an upstream that asks for the gateway's "
    "certificate does so without one (tls.cert_file)",
    "UNKNOWN_CA": "it does not trust who signed the gateway's certificate (tls.cert_file)",
    "BAD_CERTIFICATE": "it does not accept the gateway's certificate (tls.cert_file)",
    "CERTIFICATE_UNKNOWN": "it does not accept the gateway's certificate (tls.cert_file)",
    "CERTIFICATE_EXPIRED": "the gateway's certificate has ended (tls.cert_file)",
    "CERTIFICATE_REVOKED": "the gateway's certificate was revoked (tls.cert_file)",
    "ACCESS_DENIED": "it lets nobody in who has the gateway's certificate (tls.cert_file)",
    "PROTOCOL_VERSION": "it speaks no version that is allowed (tls.min_version)",
    "UNRECOGNIZED_NAME": "it does not know the name that it is asked for (tls.server_name)",
}
_TOO_OLD = frozenset(("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"))


def no_tls(upstream: str, error: ssl.SSLError) -> CallError:
    """Return the error of a connection that could not be secured, with what is wrong."""
    told = errors.no_tls(upstream, error)
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = _HINTS.get(error.verify_message)
        if hint is not None:
            told.message += f": {hint}"
    elif (words := _alert(error)) is not None:
        told.message = f"upstream {upstream!r} fails TLS: {words}"
    return told


def broken_handshake(upstream: str, at: str, error: OSError) -> CallError:
    """Return the error of a connection that ended while it was being secured.

    It may be another's haste as well as a refusal: it is told and tried again like one that
    never came to be.
    """
    told = errors.unreachable(upstream, at, error)
    told.message += ", in the middle of the TLS handshake"
    return told


def late_refusal(upstream: str, error: BaseException) -> CallError | None:
    """Return the error of a connection whose other side does not accept how it is secured.

    With TLS 1.3 a client is told so behind the handshake, when it reads: a request may have
    been sent by then, and was not looked at. None where the connection ended otherwise.
    """
    if isinstance(error, ssl.SSLError) and _alert(error) is not None:
        return no_tls(upstream, error)
    return None


def _alert(error: ssl.SSLError) -> str | None:
    reason = getattr(error, "reason", None) or ""
    if reason in _TOO_OLD:
        return _ALERTS["PROTOCOL_VERSION"]
    _, alert, kind = reason.partition("_ALERT_")
    return _ALERTS.get(kind) if alert else None
