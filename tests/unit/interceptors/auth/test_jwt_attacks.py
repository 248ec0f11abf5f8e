"""Tokens that must not get anybody in (RFC 8725)."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.calls import new_call
from unit.interceptors.auth.issuer import (
    ALGORITHMS,
    AUDIENCE,
    START,
    Gateway,
    Url,
    b64,
    file_gateway,
    good,
    jwk,
    jwt_options,
    key_set,
    part,
    private_key,
    settled,
    token,
)

from gateway.core.errors import CallError, Origin, Reason
from gateway.core.status import Code
from gateway.interceptors.auth.compact import MAX_TOKEN_BYTES

NOT_OURS = "the token is not signed by a key that is known here"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return file_gateway(tmp_path)


def assert_refused(error: CallError, sentence: str) -> None:
    assert error.code is Code.UNAUTHENTICATED
    assert error.reason is Reason.UNAUTHENTICATED
    assert error.origin is Origin.CALLER
    assert not error.transient
    assert sentence in error.message


async def test_a_good_token_is_accepted(gateway):
    call, error = await gateway.bearer(token())
    assert error is None
    assert call.identity is not None
    assert call.identity.key == "corp:ann"
    assert call.identity.metadata == "authorization"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", b64(b"x"), token().rpartition(".")[2]])
async def test_alg_none_is_refused(gateway, name, signature):
    forged = f"{part({'alg': name, 'kid': 'k1'})}.{part(good())}.{signature}"
    assert_refused(await gateway.refusal(forged), "the token")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "pkcs1", "der", "jwk", "n"])
async def test_hs256_signed_with_the_public_key_is_refused(gateway, algorithm, form):
    public = private_key("RS256").public_key()
    info = PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": public.public_bytes(Encoding.PEM, info),
        "pkcs1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "der": public.public_bytes(Encoding.DER, info),
        "jwk": json.dumps(jwk("k1")).encode(),
        "n": base64.urlsafe_b64decode(jwk("k1")["n"] + "=="),
    }[form]
    signed = f"{part({'alg': algorithm, 'kid': 'k1', 'typ': 'JWT'})}.{part(good())}"
    digest = hmac.new(secret, signed.encode(), f"sha{algorithm[2:]}").digest()
    assert_refused(await gateway.refusal(f"{signed}.{b64(digest)}"), "algorithm")


async def test_a_symmetric_key_in_the_set_verifies_nothing(tmp_path):
    secret = b"s" * 64
    gateway = file_gateway(tmp_path, jwk("k1"), {"kty": "oct", "kid": "k2", "k": b64(secret)})
    signed = f"{part({'alg': 'HS256', 'kid': 'k2'})}.{part(good())}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    assert_refused(await gateway.refusal(f"{signed}.{b64(digest)}"), "algorithm")


async def test_an_expired_token_is_refused(gateway):
    assert_refused(await gateway.refusal(token(good(exp=START - 31))), "the token has expired")
    assert (await gateway.bearer(token(good(exp=START - 29))))[1] is None  # the leeway


async def test_a_token_without_an_end_is_refused(gateway):
    assert_refused(await gateway.refusal(token(good(exp=None))), "'exp'")


@pytest.mark.parametrize("exp", ["1900000000", True, -1, 1e400, 10**18, [START + 5], {}, "x"])
async def test_an_end_that_is_no_instant_is_refused(gateway, exp):
    text = json.dumps(good(exp=0)).replace('"exp": 0', f'"exp": {json.dumps(exp)}')
    text = text.replace("Infinity", "1e400")
    assert_refused(await gateway.refusal(token(text.encode())), "the token's 'exp'")


@pytest.mark.parametrize(
    "aud", ["other", ["other"], "Seawall", "seawall ", [f"{AUDIENCE}x", "y"], ""]
)
async def test_a_wrong_audience_is_refused(gateway, aud):
    assert_refused(await gateway.refusal(token(good(aud=aud))), "for somebody else")


@pytest.mark.parametrize("aud", [None, 1, {AUDIENCE: 1}, [AUDIENCE, 1], [[AUDIENCE]], True])
async def test_an_audience_of_the_wrong_kind_is_refused(gateway, aud):
    assert_refused(await gateway.refusal(token(good(aud=aud))), "'aud'")


async def test_one_of_several_audiences_is_enough(gateway):
    assert (await gateway.bearer(token(good(aud=["other", AUDIENCE]))))[1] is None


@pytest.mark.parametrize(
    "iss",
    [
        *("https://evil.example", "https://issuer.example/", "HTTPS://issuer.example", ""),
        *(None, 1, ["https://issuer.example"], {"a": 1}, True),
    ],
)
async def test_a_wrong_issuer_is_refused(gateway, iss):
    assert_refused(await gateway.refusal(token(good(iss=iss))), "issuer")


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_a_token_from_the_future_is_refused(gateway, name):
    late = await gateway.refusal(token(good(**{name: START + 31})))
    assert_refused(late, f"not valid yet ('{name}')")
    assert (await gateway.bearer(token(good(**{name: START + 29}))))[1] is None


async def test_a_signature_of_another_key_is_refused(gateway):
    assert_refused(await gateway.refusal(token(number=1)), NOT_OURS)


async def test_a_changed_claim_is_refused(gateway):
    head, _, signature = token().split(".")
    forged = f"{head}.{part(good(sub='root'))}.{signature}"
    assert_refused(await gateway.refusal(forged), NOT_OURS)


async def test_an_expired_token_of_a_forger_is_not_told_that_it_is_expired(gateway):
    error = await gateway.refusal(token(good(exp=1, aud="other"), number=1))
    assert error.message == NOT_OURS


async def test_an_unknown_key_and_a_wrong_signature_are_told_alike(gateway):
    unknown = await gateway.refusal(token(kid="k9"))
    wrong = await gateway.refusal(token(number=1))
    assert unknown.message == wrong.message == NOT_OURS


@pytest.mark.parametrize(
    "kid",
    [
        *("../../../../dev/null", "/dev/null", "file:///etc/passwd", "k1' OR '1'='1", "k1\x00"),
        *("http://evil.example/keys", "", "K1", "k1 ", "k" * 256, "__class__", "${k1}"),
    ],
)
async def test_a_kid_is_a_name_and_nothing_else(gateway, kid):
    assert_refused(await gateway.refusal(token(kid=kid)), NOT_OURS)


@pytest.mark.parametrize("kid", [1, ["k1"], {"k1": 1}, True, "k" * 257])
async def test_a_kid_that_cannot_be_one_is_refused(gateway, kid):
    assert_refused(await gateway.refusal(token(header={"kid": kid})), "'kid'")


@pytest.mark.parametrize(
    "more",
    [
        {"jwk": jwk("k1", number=1)},
        {"jwk": jwk("evil", number=1), "kid": "evil"},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/chain.pem"},
        {"x5c": ["AAAA"], "x5t": "AAAA"},
    ],
)
async def test_a_key_that_the_token_brings_is_not_used(gateway, more):
    assert_refused(await gateway.refusal(token(number=1, header=more)), NOT_OURS)


async def test_where_a_token_says_its_keys_are_nobody_looks_also_if_it_is_good(gateway):
    url = {"jku": "https://evil.example/", "jwk": jwk("k1", number=1)}
    assert (await gateway.bearer(token(header=url)))[1] is None


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"zip": "DEF"},
    ],
)
async def test_what_a_header_asks_for_beyond_a_signature_is_refused(gateway, more):
    assert_refused(await gateway.refusal(token(header=more)), "not supported")


@pytest.mark.parametrize("typ", ["dpop+jwt", "secevent+jwt", "JWE", "", 1, None, ["JWT"]])
async def test_a_token_of_another_kind_is_refused(gateway, typ):
    assert_refused(await gateway.refusal(token(header={"typ": typ})), "something else")


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
async def test_access_tokens_are_taken_by_both_their_types(gateway, typ):
    assert (await gateway.bearer(token(header={"typ": typ})))[1] is None


async def test_a_token_in_a_token_is_refused(gateway):
    assert_refused(await gateway.refusal(token(token().encode())), "claims")


async def test_an_encrypted_token_is_refused(gateway):
    assert_refused(await gateway.refusal("a.b.c.d.e"), "three parts")


async def test_a_huge_token_is_refused_unread(gateway):
    huge = token(good(pad="x" * MAX_TOKEN_BYTES))
    assert_refused(await gateway.refusal(huge), "longer than 8192 bytes")
    fits = good(pad="x" * 5000)
    assert (await gateway.bearer(token(fits)))[1] is None


def _spoilt() -> list[str]:
    head, body, signature = token().split(".")
    wide = '{"alg": "RS256", "kid": "k1"}'.encode("utf-16")
    return [
        *("", ".", "..", "...", "a", "a.b", "a.b.c", f"{head}.{body}.", f"{head}..{signature}"),
        f".{body}.{signature}",
        f"{head}.{body}.{signature}=",
        f"{head}={body}.{signature}",
        f"{head}.{body}.{signature}\n",
        f" {head}.{body}.{signature}",
        f"{head}.{body}.{signature} x",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}.{signature[:-1]}",
        f"{head}.{body}.!{signature[1:]}",
        f"{head}.{body}+.{signature}",
        f"{head}.{body}/.{signature}",
        f"{head}.{body}.{signature}é",
        f"{part(b'[]')}.{body}.{signature}",
        f"{part(b'not json')}.{body}.{signature}",
        f"{part(b'{}')}.{body}.{signature}",
        f"{part({'alg': ['RS256']})}.{body}.{signature}",
        f"{part(b'[' * 4000)}.{body}.{signature}",
        f"{part(wide)}.{body}.{signature}",
        f"{head}.{part(b'x' * 9)}.{signature}",
        f"{head}.{part(bytes([255, 254]))}.{signature}",
    ]


@pytest.mark.parametrize("text", _spoilt())
async def test_malformed_tokens_are_refused(gateway, text):
    error = await gateway.refusal(text)
    assert error.reason is Reason.UNAUTHENTICATED


async def test_a_signature_has_one_spelling(gateway):
    text = token(kid="e1", kind="ES256")
    gateway = file_gateway(
        Path(gateway.providers.by_name["corp"].options.jwks_file).parent, jwk("e1", "ES256")
    )
    assert (await gateway.bearer(text))[1] is None
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = text[:-1] + last[last.index(text[-1]) ^ 1]  # bits that base64 does not use
    assert base64.urlsafe_b64decode(twin.split(".")[2] + "==") == base64.urlsafe_b64decode(
        text.split(".")[2] + "=="
    )
    assert_refused(await gateway.refusal(twin), "signature")


@pytest.mark.parametrize(
    "claims",
    [
        b"[]",
        b'"sub"',
        b"1",
        b"null",
        b"true",
        b'{"sub": "ann", "sub": "root"}',
        b'{"exp": NaN}',
        b'{"exp": Infinity}',
        b'{"exp": ' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 5500,
        b"\xff\xfe",
    ],
)
async def test_claims_that_are_no_object_are_refused(gateway, claims):
    assert_refused(await gateway.refusal(token(claims)), "claims")


@pytest.mark.parametrize("sub", [None, 7, True, ["ann"], {"a": 1}, "", "a\nb", "\ud800", "x" * 257])
async def test_a_caller_whose_name_is_none_is_refused(gateway, sub):
    assert_refused(await gateway.refusal(token(good(sub=sub))), "'sub'")


@pytest.mark.parametrize("roles", [1, True, {"admin": True}, ["admin", 1], [["admin"]]])
async def test_roles_of_the_wrong_kind_are_refused(gateway, roles):
    assert_refused(await gateway.refusal(token(good(roles=roles))), "roles")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (jwk("k1", "RS256/1024"), "RS256/1024"),  # too weak
        (jwk("k1", use="enc"), "RS256"),
        (jwk("k1", key_ops=["encrypt"]), "RS256"),
        (jwk("k1", alg="PS256"), "RS256"),  # bound to another algorithm
        (jwk("k1", "ES384"), "ES384"),  # which is not asked for
    ],
)
async def test_a_key_does_only_what_it_is_for(tmp_path, key, kind):
    gateway = file_gateway(tmp_path, key, jwk("other", number=1))
    error = await gateway.refusal(token(kind=kind))
    assert_refused(error, "the token")
    assert error.message == NOT_OURS or kind == "ES384"


@pytest.mark.parametrize("kind", ["RS256", "PS256", "ES256", "EdDSA", "Ed448"])
async def test_each_built_in_algorithm_is_verified_by_its_kind_of_key(tmp_path, kind):
    gateway = file_gateway(tmp_path, jwk("k1", kind))
    assert (await gateway.bearer(token(kind=kind)))[1] is None
    wrong = "ES256" if kind != "ES256" else "EdDSA"
    signed = f"{part({'alg': wrong, 'kid': 'k1'})}.{part(good())}"
    forged = b64(ALGORITHMS[wrong].sign(signed.encode(), private_key(wrong)))
    assert_refused(await gateway.refusal(f"{signed}.{forged}"), NOT_OURS)


async def test_a_zero_signature_of_ecdsa_is_refused(tmp_path):
    gateway = file_gateway(tmp_path, jwk("e1", "ES256"))
    head, body, _ = token(kid="e1", kind="ES256").split(".")
    assert_refused(await gateway.refusal(f"{head}.{body}.{b64(bytes(64))}"), NOT_OURS)


async def test_without_a_kid_one_key_that_fits_is_used_and_of_two_none(tmp_path):
    one = file_gateway(tmp_path, jwk(None), jwk("e1", "ES256"))
    assert (await one.bearer(token(kid=None)))[1] is None
    two = file_gateway(tmp_path, jwk("k1"), jwk("k2", number=1))
    assert_refused(await two.refusal(token(kid=None)), NOT_OURS)


async def test_a_flood_of_unknown_kids_costs_one_fetch():
    url = Url(key_set(jwk("k1")))
    gateway = Gateway(jwt_options(), url=url)
    gateway.providers.start()
    await settled()
    assert url.asked == 1
    gateway.clock.advance(11)
    for number in range(500):
        error = await gateway.refusal(token(kid=f"unknown-{number}", number=1))
        assert_refused(error, NOT_OURS)
    assert url.asked == 2
    gateway.clock.advance(9.9)
    await gateway.refusal(token(kid="another", number=1))
    assert url.asked == 2
    gateway.clock.advance(0.1)
    await gateway.refusal(token(kid="another", number=1))
    assert url.asked == 3
    await gateway.providers.stop()


async def test_a_token_of_another_issuer_causes_no_fetch():
    url = Url(key_set(jwk("k1")))
    gateway = Gateway(jwt_options(), url=url)
    gateway.providers.start()
    await settled()
    gateway.clock.advance(11)
    for claims in (good(iss="https://evil.example"), good(iss=None)):
        await gateway.refusal(token(claims, kid="k9"))
    await gateway.refusal(token(kid="k1", kind="ES256"))  # a known name, of another algorithm
    await gateway.refusal(token(kid=None, kind="ES256"))
    assert url.asked == 1
    await gateway.providers.stop()


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", "Bearer x"), ("authorization", "Bearer y")],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Basic YTpi")],
        [("authorization", b"Bearer x")],
        [("authorization", "Bearerx")],
    ],
)
async def test_what_is_no_bearer_token_is_refused(gateway, metadata: Any):
    call = new_call(gateway.clock, metadata=metadata)
    outcome = await gateway.auth(call, gateway.behind)
    assert outcome.error is not None
    assert_refused(outcome.error, "")
    assert gateway.behind.attempts == 0


async def test_a_good_token_beside_another_is_refused(gateway):
    value = ("authorization", f"Bearer {token()}")
    for other in (value, ("authorization", "Bearer x")):
        _, error = await gateway.call(value, other)
        assert error is not None
        assert_refused(error, "more than once")
