"""Authorities and certificates for a test, made when it asks for them.

authority = Authority("CA")
pair = authority.issue("localhost", dns=["localhost"])
pair.write(folder)          # folder/cert.pem, folder/key.pem
"""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM.

    Attributes:
        number: the certificate's serial number, by which a client tells it from another.
    """

    cert: bytes
    key: bytes
    number: int

    def write(self, folder: Path, name: str = "") -> tuple[Path, Path]:
        """Write both files at once, as a rename each; return their paths."""
        paths = folder / f"{name}cert.pem", folder / f"{name}key.pem"
        for path, held in zip(paths, (self.cert, self.key), strict=True):
            replace(path, held)
        return paths


class Authority:
    """One that signs certificates.

    Attributes:
        pem: its own certificate.
    """

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name)
        self._cert = _sign(self._name, self._key, self._name, self._key, authority=True)
        self.pem = self._cert.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        common_name: str,
        *,
        dns: Sequence[str] = (),
        ip: Sequence[str] = (),
        uri: Sequence[str] = (),
        email: Sequence[str] = (),
        starts: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
    ) -> Pair:
        """Return a certificate; `starts` and `ends` count from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            *map(x509.UniformResourceIdentifier, uri),
            *map(x509.DNSName, dns),
            *map(x509.RFC822Name, email),
            *(x509.IPAddress(ipaddress.ip_address(one)) for one in ip),
        ]
        cert = _sign(_subject(common_name), key, self._name, self._key, names, starts, ends)
        return Pair(cert.public_bytes(serialization.Encoding.PEM), key_pem(key), cert.serial_number)


def key_pem(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Return a key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


def replace(path: Path, held: bytes) -> None:
    """Put a file in the place of another, as whoever renews certificates does."""
    new = path.with_suffix(".new")
    new.write_bytes(held)
    os.replace(new, path)


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _sign(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    names: Sequence[x509.GeneralName] = (),
    starts: datetime.timedelta = -DAY,
    ends: datetime.timedelta = DAY,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
