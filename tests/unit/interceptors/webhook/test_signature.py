"""Every rule at the top of signature.py, with signatures that openssl makes."""

import base64
import subprocess
import time
from typing import Any

import pytest

from gateway.interceptors.webhook.options import Encoding, Scheme, WebhookOptions
from gateway.interceptors.webhook.signature import Refused, Signed, verify

OLD, NEW = b"whsec_old-secret-0123456789", b"whsec_new-secret-0123456789"
BODY = '{"id": "evt_1", "name": "Zoë"}'.encode()
NOW = 1_790_000_000.0


def openssl(secret: bytes, payload: bytes) -> str:
    """Return HMAC-SHA256 in hex, as somebody else's code makes it."""
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}", "-r"],
        input=payload,
        capture_output=True,
        check=True,
    )
    return done.stdout.split()[0].decode()


def stripe(secret: bytes = NEW, body: bytes = BODY, at: float = NOW) -> str:
    return f"t={at:.0f},v1={openssl(secret, b'%d.' % at + body)}"


STRIPE = WebhookOptions(secrets=(NEW, OLD), scheme=Scheme.STRIPE)
PLAIN = WebhookOptions(secrets=(NEW, OLD), prefix="sha256=")
TIMED = WebhookOptions(secrets=(NEW,), timestamped=True)


def why(found: Signed | Refused) -> str:
    assert isinstance(found, Refused)
    return found.why


def test_stripes_scheme_is_understood() -> None:
    assert isinstance(verify(STRIPE, BODY, stripe(), "", NOW), Signed)


def test_either_of_two_secrets_may_have_signed() -> None:
    for options in (STRIPE, PLAIN):
        for secret in (OLD, NEW):
            header = stripe(secret)
            if options is PLAIN:
                header = f"sha256={openssl(secret, BODY)}"
            assert isinstance(verify(options, BODY, header, "", NOW), Signed)


def test_one_of_several_signatures_may_be_right() -> None:
    stamp, right = stripe().split(",")
    header = f"{stamp},v1={'0' * 64},{right},v0=whatever,v1={'f' * 64}"
    assert isinstance(verify(STRIPE, BODY, header, "", NOW), Signed)


def test_plain_signatures_are_hex_or_base64() -> None:
    digest = bytes.fromhex(openssl(NEW, BODY))
    encoded = base64.b64encode(digest).decode()
    options = WebhookOptions(secrets=(NEW,), encoding=Encoding.BASE64)
    assert isinstance(verify(options, BODY, encoded, "", NOW), Signed)
    assert isinstance(verify(options, BODY, digest.hex(), "", NOW), Refused)


def test_a_declared_timestamp_is_part_of_what_is_signed() -> None:
    stamp = f"{NOW:.0f}"
    header = openssl(NEW, stamp.encode() + b"." + BODY)
    assert isinstance(verify(TIMED, BODY, header, stamp, NOW), Signed)
    assert isinstance(verify(TIMED, BODY, header, f"{NOW + 1:.0f}", NOW), Refused)
    assert isinstance(verify(TIMED, BODY, openssl(NEW, BODY), stamp, NOW), Refused)


FORGED = [
    ("nothing", ""),
    ("another body", stripe(body=BODY + b" ")),
    ("another secret", stripe(secret=b"whsec_of-somebody-else")),
    ("no timestamp", stripe().partition(",")[2]),
    ("two timestamps", f"t={NOW:.0f},{stripe()}"),
    ("another timestamp", stripe().replace(f"t={NOW:.0f}", f"t={NOW + 1:.0f}")),
    ("a timestamp with a sign", stripe().replace("t=", "t=+")),
    ("a timestamp in other digits", stripe().replace("t=1", "t=١")),
    ("a signature of another scheme", stripe().replace("v1=", "v0=")),
    ("a cut signature", stripe()[:-2]),
    ("no hex", stripe()[:-2] + "zz"),
    ("too long", stripe() + "," * 5000),
    ("too many signatures", stripe() + f",v1={'0' * 64}" * 16),
    ("a nul", "\0" + stripe()),
]


@pytest.mark.parametrize("header", [h for _, h in FORGED], ids=[name for name, _ in FORGED])
def test_everything_forged_is_told_the_same(header: str) -> None:
    told = why(verify(STRIPE, BODY, header, "", NOW))
    assert told == "the signature is missing, or is not that of this body"


@pytest.mark.parametrize("prefix", ["", "sha1=", "SHA256="])
def test_a_plain_signature_needs_its_prefix(prefix: str) -> None:
    header = f"{prefix}{openssl(NEW, BODY)}"
    assert isinstance(verify(PLAIN, BODY, header, "", NOW), Refused)


@pytest.mark.parametrize(("off_s", "fits"), [(-301, 0), (-300, 1), (0, 1), (300, 1), (301, 0)])
def test_a_timestamp_may_be_off_by_the_tolerance_either_way(off_s: int, fits: int) -> None:
    found = verify(STRIPE, BODY, stripe(at=NOW + off_s), "", NOW)
    assert isinstance(found, Signed) == bool(fits)


def test_only_who_knows_the_secret_is_told_about_the_time() -> None:
    old = stripe(at=NOW - 900)
    told = why(verify(STRIPE, BODY, old, "", NOW))
    assert told.startswith("the timestamp of the signature is 900 s behind the gateway's clock")
    forged = old[:-1] + ("0" if old[-1] != "0" else "1")
    assert "timestamp" not in why(verify(STRIPE, BODY, forged, "", NOW))


def test_what_is_remembered_follows_from_what_was_signed() -> None:
    def signed(header: str, body: bytes = BODY) -> Signed:
        found = verify(STRIPE, body, header, "", NOW)
        assert isinstance(found, Signed)
        return found

    by_old, by_new = signed(stripe(OLD)), signed(stripe(NEW))
    assert by_old == by_new  # the same request, whoever signed it
    assert by_new.until == NOW + 300
    assert signed(stripe(at=NOW + 1)).digest != by_new.digest


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(STRIPE).replace("secrets", "")


@pytest.mark.parametrize(
    ("options", "signature", "timestamp"),
    [
        (STRIPE, "", ""),
        (STRIPE, "t=1790000000", ""),
        (STRIPE, f"v1={'0' * 64}", ""),
        (STRIPE, f"t=soon,v1={'0' * 64}", ""),
        (STRIPE, f"t=1790000000,v1={'0' * 63}", ""),
        (STRIPE, "t=1790000000" + f",v1={'0' * 64}" * 17, ""),
        (PLAIN, "", ""),
        (PLAIN, "0" * 64, ""),
        (PLAIN, f"sha256={'x' * 64}", ""),
        (TIMED, "0" * 64, ""),
        (TIMED, "0" * 64, "soon"),
        (PLAIN, "sha256=" + "0" * 5000, ""),
    ],
)
def test_a_body_whose_signature_cannot_be_right_is_not_looked_at(
    options: WebhookOptions, signature: str, timestamp: str
) -> None:
    unread: Any = object()  # whatever looks at it fails
    assert "signature is missing" in why(verify(options, unread, signature, timestamp, NOW))


def test_an_unsigned_body_costs_nothing_like_a_signed_one() -> None:
    def took_s(header: str) -> float:
        began = time.perf_counter()
        verify(options, body, header, "", NOW)
        return time.perf_counter() - began

    options = WebhookOptions(secrets=tuple(bytes([i]) * 20 for i in range(8)))
    body = bytes(1_000_000)
    unsigned, signed = (min(took_s(header) for _ in range(3)) for header in ("", "0" * 64))
    assert unsigned < signed / 20
