"""Signatures made by the standard library, and everything that is nearly one."""

import hashlib
import hmac
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.interceptors.webhook.options import Encoding, Scheme, WebhookOptions
from gateway.interceptors.webhook.replays import Replays, Standing
from gateway.interceptors.webhook.signature import Refused, Signed, verify

bodies = st.binary(max_size=200)
secrets = st.lists(st.binary(min_size=16, max_size=80), min_size=1, max_size=3, unique=True)


def mac(secret: bytes, payload: bytes) -> str:
    return hmac.new(secret, payload, hashlib.sha256).hexdigest()


@given(
    body=bodies,
    known=secrets,
    data=st.data(),
    at=st.integers(0, 10**11),
    off_s=st.integers(-600, 600),
)
def test_whoever_knows_a_secret_passes_within_the_tolerance(
    body: bytes, known: list[bytes], data: Any, at: int, off_s: int
) -> None:
    options = WebhookOptions(secrets=tuple(known), scheme=Scheme.STRIPE)
    header = f"t={at},v1={mac(data.draw(st.sampled_from(known)), b'%d.' % at + body)}"
    found = verify(options, body, header, "", at + off_s)
    assert isinstance(found, Signed) == (abs(off_s) <= 300)


@given(body=bodies, other=bodies, known=secrets, data=st.data())
def test_one_changed_character_is_a_forgery(
    body: bytes, other: bytes, known: list[bytes], data: Any
) -> None:
    options = WebhookOptions(secrets=tuple(known), scheme=Scheme.STRIPE)
    right = f"t=1000,v1={mac(known[0], b'1000.' + body)}"
    place = data.draw(st.integers(0, len(right) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    forged = right[:place] + letter + right[place + 1 :]
    if forged.lower() != right:  # hex is read in either case
        assert isinstance(verify(options, body, forged, "", 1000), Refused)
    if other != body:
        assert isinstance(verify(options, other, right, "", 1000), Refused)


@given(
    header=st.one_of(st.text(), st.from_regex(r"(t=[0-9]{1,13}|v1=[0-9a-f]{64}|,){0,6}")),
    timestamp=st.text(),
    body=bodies,
    scheme=st.sampled_from(Scheme),
    encoding=st.sampled_from(Encoding),
    timestamped=st.booleans(),
)
def test_nothing_that_is_not_signed_passes_or_breaks(
    header: str, timestamp: str, body: bytes, scheme: Scheme, encoding: Encoding, timestamped: bool
) -> None:
    options = WebhookOptions(
        secrets=(b"0123456789abcdef",), scheme=scheme, encoding=encoding, timestamped=timestamped
    )
    assert isinstance(verify(options, body, header, timestamp, 1000), Refused)


@given(
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.booleans()), max_size=60),
    most=st.integers(10, 20),
)
def test_no_request_is_answered_twice_while_it_could_be_replayed(
    steps: list[tuple[int, int, bool]], most: int
) -> None:
    replays, now, until = Replays(most), 0, {}
    for name, later, succeeds in steps:
        now += later
        digest = bytes([name])
        standing = replays.begin(digest, now)
        assert (standing is Standing.ANSWERED) == (until.get(name, -1) >= now)
        if standing is Standing.NEW:
            assert replays.begin(digest, now) is Standing.RUNNING
            if succeeds:
                replays.answered(digest, now + 100)
                until[name] = now + 100
            else:
                replays.failed(digest)
        assert len(replays) <= most
