"""What is said of a webhook; see seawall.policy.v1.WebhookPolicy."""

import enum
from dataclasses import dataclass, field


class Scheme(enum.Enum):
    """How the signature is made."""

    STRIPE = 1
    HMAC_SHA256 = 2


class Encoding(enum.Enum):
    """How the bytes of a plain signature are written."""

    HEX = 1
    BASE64 = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookOptions:
    """How the requests of a method are signed.

    Args:
        secrets: any of which may have signed.
        scheme: how.
        tolerance_s: how old or how early a timestamp may be, and how long a request that
            was answered is remembered.
        encoding: of the signature, for HMAC_SHA256.
        prefix: before it.
        timestamped: whether a timestamp is signed too; STRIPE always does.
        max_remembered: requests that are remembered.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    scheme: Scheme = Scheme.HMAC_SHA256
    tolerance_s: float = 300.0
    encoding: Encoding = Encoding.HEX
    prefix: str = ""
    timestamped: bool = False
    max_remembered: int = 100_000
