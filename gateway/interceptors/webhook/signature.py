"""Whether a raw body was signed by somebody who knows the secret, and when.

Rules:
1. STRIPE: the header is `t=SECONDS,v1=HEX[,v1=HEX…]`, what is signed is `SECONDS.BODY`. Other
   keys are skipped; of `t` there is one (docs.stripe.com/webhooks/signature).
2. HMAC_SHA256: the header is the signature behind the declared prefix, in hex or base64. What
   is signed is the body, or `SECONDS.BODY` where a timestamp is declared.
3. Every signature of the header is compared with that of every secret, each in constant
   time, and none is left out once one has fitted.
4. How far a timestamp is from now is looked at behind the signature, so that only who knows
   the secret is told that its clock is wrong. Everything else is one sentence.
5. A header is at most 4096 characters and has at most 16 signatures; a timestamp is 1 to 12
   decimal digits. What has neither costs no look at the body.
6. A request is known again by what was signed, whichever secret signed it and however the
   signature is written: by its HMAC under the first secret, which only who knows it can tell.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import NamedTuple

from gateway.interceptors.webhook.options import Encoding, Scheme, WebhookOptions

_MAX_HEADER = 4096
_MAX_SIGNATURES = 16
_MAX_DIGITS = 12
_SHA256_BYTES = 32


class Signed(NamedTuple):
    """A request whose signature is right.

    Args:
        digest: tells it from others.
        until: from when on it would be too old, in seconds since 1970; None where nothing
            says how old it is.
    """

    digest: bytes
    until: float | None


class Refused(NamedTuple):
    """A request that is not let through; `why` is for its sender."""

    why: str


_NOT_RIGHT = Refused("the signature is missing, or is not that of this body")


def verify(
    options: WebhookOptions, body: bytes, signature: str, timestamp: str, wall: float
) -> Signed | Refused:
    """Return whether a body is signed as it should be.

    Args:
        options: how.
        body: as it was received.
        signature: what the sender says; "" where it says nothing.
        timestamp: for HMAC_SHA256 with a timestamp; else not looked at.
        wall: now, in seconds since 1970.
    """
    if len(signature) > _MAX_HEADER:
        return _NOT_RIGHT
    if options.scheme is Scheme.STRIPE:
        timestamp, given = _stripe(signature)
    else:
        given = _plain(options, signature)
    if not given:
        return _NOT_RIGHT  # the body is looked at for what may be a signature only
    timestamped = options.timestamped or options.scheme is Scheme.STRIPE
    signed = body
    if timestamped:
        if not _is_timestamp(timestamp):
            return _NOT_RIGHT
        signed = timestamp.encode("ascii", "replace") + b"." + body
    right, digest = False, b""
    for secret in options.secrets:
        own = hmac.digest(secret, signed, "sha256")
        digest = digest or own
        for one in given:
            right |= hmac.compare_digest(own, one)
    if not right:
        return _NOT_RIGHT
    if not timestamped:
        return Signed(digest, None)
    off_s = wall - int(timestamp)
    if abs(off_s) > options.tolerance_s:
        where = "behind" if off_s > 0 else "ahead of"
        return Refused(
            f"the timestamp of the signature is {abs(off_s):.0f} s {where} the gateway's clock; "
            f"{options.tolerance_s:g} s are allowed"
        )
    return Signed(digest, int(timestamp) + options.tolerance_s)


def _stripe(header: str) -> tuple[str, Sequence[bytes]]:
    timestamps: list[str] = []
    given: list[bytes] = []
    for item in header.split(","):
        key, _, value = item.strip().partition("=")
        if key == "t":
            timestamps.append(value)
        elif key == "v1" and (one := _hex(value)) is not None:
            given.append(one)
    if len(timestamps) != 1 or len(given) > _MAX_SIGNATURES:
        return "", ()
    return timestamps[0], given


def _plain(options: WebhookOptions, signature: str) -> Sequence[bytes]:
    if not signature.startswith(options.prefix):
        return ()
    text = signature[len(options.prefix) :]
    one = _hex(text) if options.encoding is Encoding.HEX else _base64(text)
    return () if one is None else (one,)


def _hex(text: str) -> bytes | None:
    if len(text) != 2 * _SHA256_BYTES:
        return None
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return found if len(found) == _SHA256_BYTES else None


def _is_timestamp(text: str) -> bool:
    return 1 <= len(text) <= _MAX_DIGITS and text.isascii() and text.isdecimal()
