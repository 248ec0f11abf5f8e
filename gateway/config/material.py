"""What a listener is secured by: PEM files, read and looked through before they are used.

Rules:
1. The certificate file holds the listener's own certificate first, then its chain. The key
   file holds the key of that certificate, of a kind that TLS uses, without a password: nobody
   is there to type one.
2. The file of authorities holds at least one certificate.
3. Whether a certificate is in its time is told (`Material.out_of_time`), not decided: a
   gateway with an expired certificate is of more use than none at all.
4. What is said of files names them, and nothing that they hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

MAX_FILE_BYTES = 4 * 1024 * 1024
_CURVES = frozenset(("secp256r1", "secp384r1", "secp521r1"))
_LEAST_RSA = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """The files of one listener.

    Args:
        cert: its certificate and the chain.
        key: the certificate's key.
        client_ca: the authorities of clients; None where no client needs a certificate.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return all of them."""
        return tuple(path for path in (self.cert, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """What the files held.

    Args:
        cert: PEM.
        key: PEM, a secret.
        client_ca: PEM, None where there is no such file.
        starts_at: when the certificate begins to count, in seconds since 1970.
        ends_at: when it ends.
    """

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    starts_at: float
    ends_at: float

    def out_of_time(self, wall: float) -> str:
        """Return how the certificate is out of its time, "" where it is in it."""
        if wall < self.starts_at:
            return f"the certificate is not valid before {_iso(self.starts_at)}"
        return f"the certificate ended at {_iso(self.ends_at)}" if wall > self.ends_at else ""


class BadMaterialError(Exception):
    """Files that no listener can be secured by.

    Args:
        which: the field of TlsFiles.
        why: a phrase that names files, and nothing that they hold.
    """

    def __init__(self, which: str, why: str) -> None:
        super().__init__(why)
        self.which = which
        self.why = why


def read_material(files: TlsFiles) -> Material:
    """Read the files and look through them.

    Raises:
        BadMaterialError: they cannot be used.
    """
    cert, key = _read("cert", files.cert), _read("key", files.key)
    leaf = _certificates("cert", files.cert, cert)[0]
    try:
        certified = _spki(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm):
        why = f"{files.cert} holds a certificate of a key that TLS does not use"
        raise BadMaterialError("cert", why) from None
    if _public(files.key, key) != certified:
        why = f"{files.key} is not the key of the first certificate in {files.cert}"
        raise BadMaterialError("key", why)
    client_ca = None
    if files.client_ca is not None:
        client_ca = _read("client_ca", files.client_ca)
        _certificates("client_ca", files.client_ca, client_ca)
    return Material(
        cert=cert,
        key=key,
        client_ca=client_ca,
        starts_at=leaf.not_valid_before_utc.timestamp(),
        ends_at=leaf.not_valid_after_utc.timestamp(),
    )


def _read(which: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            held = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise BadMaterialError(which, f"{path} cannot be read: {why}") from None
    if len(held) > MAX_FILE_BYTES:
        raise BadMaterialError(which, f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return held


def _certificates(which: str, path: Path, pem: bytes) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadMaterialError(which, f"{path} holds no PEM certificates") from None


def _public(path: Path, pem: bytes) -> bytes:
    """Return the public half of a private key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadMaterialError("key", f"{path} holds a key that needs a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadMaterialError("key", f"{path} holds no PEM private key") from None
    if not _is_usable(key):
        raise BadMaterialError("key", f"{path} holds a key of a kind that TLS does not use")
    return _spki(key.public_key())


def _is_usable(key: object) -> bool:
    if isinstance(key, RSAPrivateKey):
        return key.key_size >= _LEAST_RSA
    if isinstance(key, EllipticCurvePrivateKey):
        return key.curve.name in _CURVES
    return isinstance(key, Ed25519PrivateKey)


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
