"""A JSON Web Key Set: the public keys of an issuer, and which one a token is signed by.

Rules (RFC 7517, RFC 8725 3.1 and 3.2):
1. A set has at most 256 KiB and 100 keys.
2. Each key is bound to the algorithms that fit its type, its curve and what it says of itself
   (`alg`, `use`, `key_ops`); a token chooses among keys, never what is done with one. So a
   public key is never the secret of an HMAC.
3. Keys that are symmetric or private, that fit none of the algorithms that are asked for, or
   that are too weak (RSA below 2048 bits) or too slow (RSA above 8192) are left out. A set
   with nothing else in it cannot be used.
4. A token with a `kid` is verified by the key of that name. Without one it is verified where
   exactly one key fits its algorithm. A `kid` is a name to look up and nothing else.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

from gateway.interceptors.auth.options import ALGORITHMS

MAX_SET_BYTES = 256 * 1024
MAX_KEYS = 100
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192

_VERIFIERS: dict[str, Algorithm] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in ALGORITHMS
}
_RSA = frozenset(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
_FITTING = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset(("ES256",)),
    ("EC", "P-384"): frozenset(("ES384",)),
    ("EC", "P-521"): frozenset(("ES512",)),
    ("OKP", "Ed25519"): frozenset(("EdDSA",)),
    ("OKP", "Ed448"): frozenset(("EdDSA",)),
}
_PRIVATE = frozenset(("d", "k", "p", "q", "dp", "dq", "qi", "oth"))
_UNREADABLE = (
    PyJWTError,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    TypeError,
    ValueError,
)
"""What the libraries raise for what is no key, or no signature."""


class UnusableKeysError(ValueError):
    """A set that cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key.

    Args:
        kid: its name, None where it has none.
        algorithms: that it verifies.
        thumbprint: tells it apart from every other, its name included.
        material: for the verifier.
    """

    kid: str | None
    algorithms: frozenset[str]
    thumbprint: str
    material: Any = field(repr=False, compare=False)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's, of `signed`."""
        if algorithm not in self.algorithms:
            return False
        try:
            return _VERIFIERS[algorithm].verify(signed, self.material, signature)
        except _UNREADABLE:
            return False  # what the library cannot read is no signature


class KeySet:
    """The keys of an issuer that can be used."""

    def __init__(self, keys: Collection[Key]) -> None:
        self.kids = frozenset(key.kid for key in keys)
        self.thumbprints = frozenset(key.thumbprint for key in keys)
        self._by_kid: dict[tuple[str, str], Key] = {}
        self._alone: dict[str, Key | None] = {}
        for key in keys:
            for algorithm in key.algorithms:
                if key.kid is not None:
                    self._by_kid.setdefault((key.kid, algorithm), key)
                self._alone[algorithm] = None if algorithm in self._alone else key

    def __len__(self) -> int:
        return len(self.thumbprints)

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key that a token says it is signed by."""
        if kid is None:
            return self._alone.get(algorithm)
        return self._by_kid.get((kid, algorithm))


def read_key_set(data: bytes, algorithms: Collection[str]) -> KeySet:
    """Return the keys of a set that fit `algorithms`.

    Raises:
        UnusableKeysError: there are none, or it is no set.
    """
    keys = list(_usable(_entries(data), frozenset(algorithms)))
    if not keys:
        raise UnusableKeysError(
            f"has no public key for {', '.join(sorted(algorithms))} that can be used"
        )
    return KeySet(keys)


def _entries(data: bytes) -> list[Any]:
    if len(data) > MAX_SET_BYTES:
        raise UnusableKeysError(f"is larger than {MAX_SET_BYTES} bytes")
    try:
        plain = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UnusableKeysError("is not JSON") from None
    entries = plain.get("keys") if isinstance(plain, dict) else None
    if not isinstance(entries, list):
        raise UnusableKeysError("is not a JWKS: there is no list 'keys'")
    if len(entries) > MAX_KEYS:
        raise UnusableKeysError(f"has more than {MAX_KEYS} keys")
    return entries


def _usable(entries: list[Any], algorithms: frozenset[str]) -> Iterator[Key]:
    for jwk in entries:
        if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(jwk):
            continue
        fitting = _fitting(jwk) & algorithms
        kid = jwk.get("kid")
        if not fitting or not isinstance(kid, str | None):
            continue
        try:
            material: Any = _VERIFIERS[min(fitting)].from_jwk(jwk)
        except _UNREADABLE:
            continue
        if isinstance(material, RSAPublicKey) and not _is_sound(material):
            continue
        yield Key(kid, fitting, _thumbprint(jwk, fitting), material)


def _fitting(jwk: dict[str, Any]) -> frozenset[str]:
    kind, curve, said = jwk.get("kty"), jwk.get("crv"), jwk.get("alg")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig":
        return frozenset()
    if not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return frozenset()
    fitting = _FITTING.get((kind, curve), frozenset())
    return fitting if said is None else fitting & {str(said)}


def _is_sound(key: RSAPublicKey) -> bool:
    exponent = key.public_numbers().e
    return _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS and exponent >= 3 and exponent % 2 == 1


def _thumbprint(jwk: dict[str, Any], algorithms: frozenset[str]) -> str:
    said = {name: jwk.get(name) for name in ("kid", "kty", "crv", "n", "e", "x", "y")}
    text = json.dumps([said, sorted(algorithms)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
