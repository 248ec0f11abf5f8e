"""Whatever stands where a credential should: a refusal, never a fault, never a caller."""

import asyncio
import base64
import hashlib
import json
from typing import Any

from fakes.clock import FakeClock, FakeRng
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.calls import Recorder, new_call
from unit.interceptors.auth.issuer import AUDIENCE, ISSUER, START, jwk, key_set, part, token

from gateway.core.call import Call
from gateway.core.errors import Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Outcome
from gateway.interceptors.auth import (
    ApiKey,
    ApiKeysOptions,
    AuthInterceptor,
    AuthOptions,
    CertificateName,
    CertificatesOptions,
    JwtOptions,
    Mode,
    Providers,
    UnusableKeysError,
    new_key,
    read_key_set,
)
from gateway.interceptors.auth.compact import RefusedTokenError, cut
from gateway.interceptors.auth.new_key import is_damaged

CLOCK = FakeClock()
SAID = Recorder()
KNOWN = new_key()[0]


async def _keys() -> bytes:
    return key_set(jwk("k1"), jwk("e1", "ES256"))


def _auth(mode: Mode = Mode.REQUIRED) -> AuthInterceptor:
    providers = Providers(
        (
            JwtOptions(name="corp", issuer=ISSUER, audiences=frozenset((AUDIENCE,))),
            ApiKeysOptions(
                name="keys",
                keys=(ApiKey(caller="kay", sha256=hashlib.sha256(KNOWN.encode()).digest()),),
            ),
            CertificatesOptions(name="machines", names=(CertificateName(name="*.internal"),)),
        ),
        clock=CLOCK,
        rng=FakeRng(),
        events=Events([SAID]),
        fetch=lambda _options: _keys,
        read_keys=lambda _path: (),
    )
    return AuthInterceptor(AuthOptions(mode=mode), providers, Events([SAID]))


async def _answer(_call: Call) -> Outcome:
    return SUCCESS


def _end(auth: AuthInterceptor, metadata: Any, certificate: tuple[str, ...] = ()) -> Any:
    async def run() -> tuple[Call, Outcome]:
        call = new_call(CLOCK, metadata=metadata)
        call.certificate = certificate
        return call, await auth(call, _answer)

    SAID.clear()
    return asyncio.run(run())


def _assert_refused(auth: AuthInterceptor, metadata: Any, certificate: Any = ()) -> None:
    call, outcome = _end(auth, metadata, certificate)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.UNAUTHENTICATED
    assert call.identity is None
    assert CallRefused(call, "auth", outcome.error) in SAID


TEXT = st.one_of(
    st.text(max_size=200),
    st.text("ABCabc019-_.= é", max_size=200),
    st.binary(max_size=200),
    st.builds(lambda text: "Bearer " + text, st.text(max_size=200)),
    st.builds("Bearer {}.{}.{}".format, *[st.text("ABCabc019-_", max_size=60)] * 3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["authorization", "x-api-key"]), TEXT, st.sampled_from(list(Mode)[:2]))
@example("authorization", "Bearer ..", Mode.OPTIONAL)
def test_any_text_is_refused_as_a_credential(key, value, mode):
    _assert_refused(_auth(mode), [(key, value)])


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_any_names_of_a_certificate_are_refused(names):
    _assert_refused(_auth(), (), tuple(f"OTHER:{name}" for name in names))


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]), JSON), JSON, JSON)
def test_any_header_and_claims_are_refused_without_a_signature(header, claims, signature):
    text = f"{part(header)}.{part(claims)}.{part(signature)}"
    _assert_refused(_auth(), [("authorization", f"Bearer {text}")])


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("iss", "aud", "sub", "exp", "nbf", "iat", "roles"), JSON)
    )
)
def test_signed_claims_of_any_kind_get_in_only_if_they_hold(more):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": START + 600, **more}
    call, outcome = _end(_auth(), [("authorization", f"Bearer {token(claims)}")])
    if outcome.error is not None:
        assert outcome.error.reason is Reason.UNAUTHENTICATED
        assert call.identity is None
        return
    assert claims["iss"] == ISSUER
    assert claims["aud"] == AUDIENCE or AUDIENCE in claims["aud"]
    assert isinstance(claims["sub"], str)
    assert claims["exp"] > START - 30
    assert call.identity.name == claims["sub"]


@given(st.integers(0), st.integers(1, 255))
@settings(max_examples=200)
def test_one_changed_byte_spoils_a_token(place, change):
    for kind, kid in (("RS256", "k1"), ("ES256", "e1")):
        text = bytearray(token(kind=kind, kid=kid).encode())
        text[place % len(text)] ^= change
        changed = text.decode("latin-1")
        _assert_refused(_auth(), [("authorization", f"Bearer {changed}")])


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: b.decode("latin-1"))))
def test_cutting_raises_its_own_error_only(text):
    try:
        parts = cut(text)
    except RefusedTokenError:
        return
    assert isinstance(parts.claims, dict)


@given(
    st.one_of(st.binary(max_size=300), JSON.map(lambda one: json.dumps({"keys": [one]}).encode()))
)
def test_reading_keys_raises_its_own_error_only(data):
    try:
        read_key_set(data, ("RS256", "ES256", "EdDSA"))
    except UnusableKeysError:
        return
    raise AssertionError("random bytes are no key")


@given(
    st.sampled_from(["RSA", "EC", "OKP"]),
    st.dictionaries(
        st.sampled_from(["crv", "n", "e", "x", "y", "kid", "use", "alg", "key_ops"]),
        JSON
        | st.binary(max_size=64).map(lambda b: base64.urlsafe_b64encode(b).decode())
        | st.sampled_from(["P-256", "Ed25519", "AQAB", "RS256", "sig"]),
    ),
)
def test_keys_of_any_content_are_read_or_left_out(kind, more):
    good = jwk("k1")
    keys = read_key_set(key_set({"kty": kind, **more}, good), ("RS256", "ES256", "EdDSA"))
    assert keys.find("k1", "RS256") is not None


@given(st.integers(3, 38), st.sampled_from("0aZ"))
def test_one_changed_digit_of_a_key_is_noticed(place, digit):
    changed = KNOWN[:place] + digit + KNOWN[place + 1 :]
    assert is_damaged(changed) is (changed != KNOWN)
    if changed != KNOWN:
        _assert_refused(_auth(), [("x-api-key", changed)])
