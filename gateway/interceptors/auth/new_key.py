"""API keys: how they are made.

Rules:
1. A key is "sw_", 30 random digits of base 62 (178 bits) and 6 that check them (CRC-32), so
   that scanners of secrets find it and a mistyped one is told without a look-up. (The form
   is that of GitHub's tokens.)
2. Random keys of that length cannot be guessed from their SHA-256: a slow hash is for
   passwords, and would be a way to keep the gateway busy.
"""

import hashlib
import re
import secrets
import zlib

PREFIX = "sw_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS = 30
_CHECK_DIGITS = 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_DIGITS + _CHECK_DIGITS}}}")


def new_key() -> tuple[str, str]:
    """Return a new key, and its SHA-256 in hexadecimal digits."""
    body = PREFIX + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM_DIGITS))
    key = body + _check(body)
    return key, hashlib.sha256(key.encode()).hexdigest()


def is_damaged(key: str) -> bool:
    """Tell whether `key` has the form of one made here and its check digits are wrong."""
    if not key.startswith(PREFIX):
        return False
    return not _FORM.fullmatch(key) or _check(key[:-_CHECK_DIGITS]) != key[-_CHECK_DIGITS:]


def _check(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_DIGITS):
        rest, digit = divmod(rest, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
