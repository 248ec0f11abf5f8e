"""What a good token says, and how long it is remembered."""

import pytest
from fakes.clock import FakeClock
from unit.interceptors.auth.issuer import (
    START,
    Gateway,
    Url,
    file_gateway,
    good,
    jwk,
    jwt_options,
    key_set,
    settled,
    token,
)

from gateway.core.errors import Reason
from gateway.interceptors.auth import AuthOptions
from gateway.interceptors.auth.claims import claim
from gateway.interceptors.auth.keyset import Key, KeySet


@pytest.mark.parametrize(
    ("path", "more", "roles"),
    [
        ("roles", {}, set()),
        ("roles", {"roles": ["a", "b"]}, {"a", "b"}),
        ("scope", {"scope": "read  write"}, {"read", "write"}),
        ("scope", {"scope": ""}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("realm_access.roles", {"realm_access": "roles"}, set()),
        ("https://example.com/roles", {"https://example.com/roles": ["a"]}, {"a"}),
        ("roles", {"roles": []}, set()),
    ],
)
async def test_roles_are_a_list_or_words_at_a_path(tmp_path, path, more, roles):
    gateway = file_gateway(tmp_path, roles_claim=path)
    call, error = await gateway.bearer(token(good(**more)))
    assert error is None
    assert call.identity is not None
    assert call.identity.roles == roles


@pytest.mark.parametrize(
    ("path", "claims", "found"),
    [
        ("a", {"a": 1}, 1),
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a.b": 2, "a": {"b": 1}}, 2),
        ("a.b.c", {"a": {"b.c": 3}}, 3),
        ("a.b", {"a": [{"b": 1}]}, None),
        ("a.b", {}, None),
    ],
)
def test_a_path_is_a_name_as_it_stands_or_names_joined_by_dots(path, claims, found):
    assert claim(claims, path) == found


async def test_the_caller_is_named_by_the_claim_that_is_said(tmp_path):
    gateway = file_gateway(tmp_path, caller_claim="client.id")
    call, _ = await gateway.bearer(token(good(client={"id": "billing"})))
    assert call.identity is not None
    assert call.identity.name == "billing"


async def test_the_scheme_knows_no_case(tmp_path):
    gateway = file_gateway(tmp_path)
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await gateway.call(("authorization", f"{scheme} {token()}")))[1] is None


async def test_a_verified_token_is_remembered_until_it_ends(tmp_path, monkeypatch):
    gateway = file_gateway(tmp_path)
    verified: list[str] = []
    verifies = Key.verifies
    monkeypatch.setattr(
        Key, "verifies", lambda key, *rest: verified.append(key.kid) or verifies(key, *rest)
    )
    text = token(good(exp=START + 60))
    first, _ = await gateway.bearer(text)
    again, _ = await gateway.bearer(text)
    assert first.identity is again.identity
    assert verified == ["k1"]
    gateway.clock.advance(89)  # the leeway is part of its life
    assert (await gateway.bearer(text))[1] is None
    assert verified == ["k1"]
    gateway.clock.advance(1)
    assert (await gateway.refusal(text)).message == "the token has expired"
    assert len(gateway.providers.by_name["corp"].verified) == 0


async def test_the_token_that_was_used_longest_ago_is_forgotten_first(tmp_path):
    gateway = file_gateway(tmp_path, max_tokens=2)
    kept = gateway.providers.by_name["corp"].verified
    texts = [token(good(sub=f"caller-{number}")) for number in range(3)]
    for text in (texts[0], texts[1], texts[0], texts[2]):
        await gateway.bearer(text)
    assert len(kept) == 2
    assert [one.identity.name for one in kept._tokens.values()] == ["caller-0", "caller-2"]


async def test_refused_tokens_are_not_kept(tmp_path):
    gateway = file_gateway(tmp_path)
    for number in range(20):
        await gateway.refusal(token(good(sub=f"caller-{number}"), number=1))
        await gateway.refusal(token(good(exp=1)))
    assert len(gateway.providers.by_name["corp"].verified) == 0


async def test_of_several_issuers_the_token_says_which_and_the_signature_proves_it(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_bytes(key_set(jwk("k1")))
    second.write_bytes(key_set(jwk("k1", number=1)))
    gateway = Gateway(
        jwt_options(jwks_file=first),
        jwt_options(name="guests", issuer="https://guests.example", jwks_file=second),
    )
    guest = good(iss="https://guests.example")
    for _ in range(2):  # verified, and remembered
        call, _ = await gateway.bearer(token(guest, number=1))
        assert call.identity is not None
        assert call.identity.key == "guests:ann"
        call, _ = await gateway.bearer(token())
        assert call.identity is not None
        assert call.identity.key == "corp:ann"
    for forged in (token(guest), token(number=1)):  # one issuer's key, the other's name
        assert "not signed" in (await gateway.refusal(forged)).message
    assert "issuer" in (await gateway.refusal(token(good(iss="x")))).message


async def test_an_issuer_that_does_not_count_for_a_method_is_not_known_there(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(jwk("k1")))
    gateway = Gateway(
        jwt_options(jwks_file=path),
        jwt_options(name="guests", issuer="https://guests.example", jwks_file=path),
        auth=AuthOptions(providers=frozenset(("corp",))),
    )
    error = await gateway.refusal(token(good(iss="https://guests.example")))
    assert error.message == "the token is of an issuer that is not known here"


async def test_without_any_key_nobody_can_tell():
    gateway = Gateway(jwt_options(), url=Url(OSError("down")), clock=FakeClock())
    gateway.providers.start()
    await settled()
    gateway.clock.advance(4)
    error = await gateway.refusal(token())
    assert error.reason is Reason.IDENTITY_UNAVAILABLE
    assert error.transient
    assert error.retry_after_s == pytest.approx(6)
    # What could be no token of this issuer is told so all the same.
    assert (await gateway.refusal("x")).reason is Reason.UNAUTHENTICATED
    await gateway.providers.stop()


def test_a_key_set_finds_keys_by_name_and_algorithm_only():
    key = Key("k1", frozenset(("RS256", "PS256")), "t", None)
    keys = KeySet([key, Key("k2", frozenset(("ES256",)), "u", None)])
    assert keys.find("k1", "RS256") is keys.find("k1", "PS256") is key
    assert keys.find("k1", "ES256") is keys.find("k3", "RS256") is None
    assert keys.find(None, "RS256") is key
