"""TLS to the durable store: the files that its URL names, read when the gateway starts.

The driver reads them again for each connection. No sentence here names a path: it may be the end
of a password.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.state.durable.url import PostgresUrl

_VERIFYING = frozenset(("verify-ca", "verify-full"))


def durable_tls_mistakes(url: PostgresUrl, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the options of TLS.

    Args:
        url: of the store.
        environ: of the process; like psql the driver has some defaults from there.
    """
    options = dict(url.options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, held in (("sslrootcert", "certificates"), ("sslcrl", "list of what was revoked")):
        if path := options.get(name):
            try:
                context.load_verify_locations(path)
            except (OSError, ValueError) as error:
                yield f"{name} {_why(error, f'holds no PEM {held}')}"
    if cert := options.get("sslcert"):
        try:
            context.load_cert_chain(cert, options.get("sslkey"), password=lambda: "")
        except (OSError, ValueError) as error:
            why = _why(error, "hold no PEM certificate and its key, without a password")
            yield f"sslcert and sslkey {why}"
    elif "sslkey" in options:
        yield "sslkey is the key of sslcert, which is not said"
    mode = options.get("sslmode", "")
    if mode in _VERIFYING and "sslrootcert" not in options and not _has_default(environ):
        yield f"sslmode={mode} needs sslrootcert: a file of the authorities that are trusted"


def _has_default(environ: Mapping[str, str]) -> bool:
    home = Path(environ.get("HOME") or "~").expanduser()
    return "PGSSLROOTCERT" in environ or os.access(home / ".postgresql" / "root.crt", os.R_OK)


def _why(error: Exception, broken: str) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"
    return broken
