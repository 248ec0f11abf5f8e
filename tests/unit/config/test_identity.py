"""Who callers are, as the configuration says it."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock, FakeRng
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig, Identity
from seawall.policy.v1.policy_pb2 import AuthPolicy
from unit.interceptors.auth.issuer import jwk, key_set

from gateway.config.document import read_document
from gateway.config.identity import (
    auth_doubts,
    auth_mistakes,
    auth_options,
    identity_mistakes,
    listener_auth_mistakes,
    listener_auth_options,
    provider_options,
    read_keys,
)
from gateway.core.events import Events
from gateway.core.identity import Identity as Caller
from gateway.interceptors.auth import (
    ApiKey,
    ApiKeysOptions,
    AuthOptions,
    CertificateName,
    CertificatesOptions,
    JwtOptions,
    ListenerAuth,
    Mode,
    Providers,
)

KEY = "sw_" + "0123456789ab" * 3
SHA = hashlib.sha256(KEY.encode()).hexdigest()
OTHER_SHA = hashlib.sha256(b"another key").hexdigest()
ONE_KEY = {"caller": "ann", "sha256": SHA}
JWT = {"issuer": "https://i.example", "audiences": ["a"], "jwks_url": "https://i.example/keys"}


def identity(**providers: Any) -> Identity:
    return json_format.ParseDict({"providers": providers}, Identity())


def mistakes(folder: Path = Path(), **providers: Any) -> dict[str, str]:
    return dict(identity_mistakes(identity(**providers), folder))


def of_keys(**more: Any) -> dict[str, str]:
    found = mistakes(p={"api_keys": {"keys": [ONE_KEY], **more}})
    return {path.removeprefix("identity.providers.p.api_keys."): t for path, t in found.items()}


def of_key(**more: Any) -> dict[str, str]:
    found = of_keys(keys=[{**ONE_KEY, **more}])
    return {path.removeprefix("keys[0]."): text for path, text in found.items()}


def of_jwt(folder: Path = Path(), **more: Any) -> dict[str, str]:
    plain = {name: value for name, value in {**JWT, **more}.items() if value is not None}
    found = mistakes(folder, p={"jwt": plain})
    return {path.removeprefix("identity.providers.p.jwt."): t for path, t in found.items()}


def auth(**plain: Any) -> AuthPolicy:
    return json_format.ParseDict(plain, AuthPolicy())


# Providers.


def test_a_whole_identity_has_no_mistakes(tmp_path):
    (tmp_path / "jwks.json").write_bytes(key_set(jwk("k1")))
    (tmp_path / "keys.yaml").write_text(f"keys: [{{caller: bob, sha256: {OTHER_SHA}}}]")
    found = mistakes(
        tmp_path,
        keys={"api_keys": {"keys": [ONE_KEY], "file": "keys.yaml"}},
        corp={"jwt": JWT},
        guests={"jwt": {**JWT, "issuer": "g", "jwks_url": "", "jwks_file": "jwks.json"}},
        machines={"certificates": {}},
        known={"certificates": {"names": [{"name": "*.internal", "roles": ["a"]}]}},
    )
    assert found == {}


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ({}, "found none of them"),
        ({"jwt": JWT, "certificates": {}}, "found jwt and certificates"),
        ({"api_keys": {"keys": [ONE_KEY]}, "jwt": JWT}, "found api_keys and jwt"),
    ],
)
def test_a_provider_is_of_exactly_one_kind(provider, found):
    text = mistakes(p=provider)["identity.providers.p"]
    assert text.startswith("must have exactly one of api_keys, jwt, certificates")
    assert found in text


def test_a_provider_has_a_name():
    assert "is not a name" in mistakes(**{"a.b": {"certificates": {}}})["identity.providers.a.b"]


# API keys.


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"caller": ""}, "caller"),
        ({"caller": "a\nb"}, "caller"),
        ({"caller": "x" * 257}, "caller"),
        ({"sha256": ""}, "sha256"),
        ({"sha256": SHA[:-1]}, "sha256"),
        ({"sha256": SHA + "0"}, "sha256"),
        ({"sha256": "g" * 64}, "sha256"),
        ({"sha256": KEY}, "sha256"),
        ({"roles": ["a", ""]}, "roles[1]"),
        ({"roles": ["a b"]}, "roles[0]"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": ""}, "expires"),
        ({"expires": "2027-01-31"}, "expires"),
        ({"expires": "2027-01-31T00:00:00"}, "expires"),
        ({"expires": "2027-13-31T00:00:00Z"}, "expires"),
    ],
)
def test_a_key_needs_a_caller_and_a_hash(more, path):
    found = of_key(**more)
    assert list(found) == [path]
    assert KEY not in found[path]


@pytest.mark.parametrize("expires", ["2027-01-31T00:00:00Z", "2027-01-31T02:00:00.5+02:00"])
def test_instants_are_those_of_rfc_3339(expires):
    assert of_key(expires=expires) == {}


@pytest.mark.parametrize("metadata", ["x-api-key", "authorization", "key_1.a"])
def test_a_metadata_key_is_a_small_word(metadata):
    assert of_keys(metadata=metadata) == {}


@pytest.mark.parametrize(
    "metadata",
    ["", "X-Api-Key", "a b", "key-bin", "grpc-key", ":path", "te", "user-agent", "k" * 65, "é"],
)
def test_other_metadata_keys_are_refused(metadata):
    assert list(of_keys(metadata=metadata)) == ["metadata"]


def test_keys_or_a_file_must_be_said():
    assert of_keys(keys=[]) == {"keys": "must be said, or a file"}


def test_a_hash_that_is_given_twice_is_told(tmp_path):
    twice = [ONE_KEY, {"caller": "bob", "sha256": SHA.upper()}]
    assert of_keys(keys=twice) == {"keys[1].sha256": "is the key of keys[0] already"}
    (tmp_path / "more.yaml").write_text(f"keys: [{{caller: bob, sha256: {SHA}}}]")
    found = mistakes(tmp_path, p={"api_keys": {"keys": [ONE_KEY], "file": "more.yaml"}})
    assert found == {
        "identity.providers.p.api_keys.file": "more.yaml: holds the key of keys[0] too"
    }


def test_two_providers_share_no_metadata_but_issuers_do():
    keys = {"api_keys": {"keys": [ONE_KEY]}}
    found = mistakes(a=keys, b=keys)
    assert list(found) == ["identity.providers.b.api_keys.metadata"]
    assert "'x-api-key' carries the keys of provider 'a'" in next(iter(found.values()))
    bearer = {"api_keys": {"keys": [ONE_KEY], "metadata": "authorization"}}
    found = mistakes(a=bearer, b={"jwt": JWT})
    assert list(found) == ["identity.providers.a.api_keys.metadata"]
    assert mistakes(a={"jwt": JWT}, b={"jwt": {**JWT, "issuer": "other"}}) == {}
    found = mistakes(a={"jwt": JWT}, b={"jwt": JWT})
    assert list(found) == ["identity.providers.b.jwt.issuer"]


# The file of API keys.


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    return path


def test_a_file_of_keys_is_read(tmp_path):
    path = write(
        tmp_path,
        f"keys:\n- caller: ann\n  sha256: {SHA}\n  roles: [a, b]\n"
        f"  expires: 2027-01-31T00:00:00Z\n- {{caller: bob, sha256: '{OTHER_SHA.upper()}'}}\n",
    )
    assert read_keys(path) == (
        ApiKey(
            caller="ann",
            sha256=hashlib.sha256(KEY.encode()).digest(),
            roles=frozenset("ab"),
            expires_at=1801353600.0,
        ),
        ApiKey(caller="bob", sha256=bytes.fromhex(OTHER_SHA)),
    )
    assert read_keys(write(tmp_path, "keys: []")) == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "has no 'keys'"),
        ("{}", "has no 'keys'"),
        ("keys:", "line 1: 'keys' must be a list"),
        (f"keys: {KEY}", "line 1: 'keys' must be a list"),
        (f"{KEY}", "line 1: must be a mapping"),
        (f"{KEY}: 1", "line 1: unknown key; known: keys"),
        (f"keys:\n- {KEY}", "line 2: must be a mapping"),
        (f"keys:\n- {{{KEY}: 1}}", "line 2: unknown key; known: caller, expires, roles, sha256"),
        (f"keys:\n- {{caller: [{KEY}], sha256: {SHA}}}", "line 2: 'caller' must hold a text"),
        (f"keys:\n- {{caller: a, sha256: {KEY}}}", "line 2: sha256 must be the SHA-256"),
        (f"keys:\n- {{caller: a, sha256: {SHA}, roles: {KEY}}}", "line 2: 'roles' must be a list"),
        (f"keys:\n- {{caller: a, sha256: {SHA}, roles: [[]]}}", "line 2: 'roles' must hold"),
        (f"keys:\n- {{caller: a, sha256: {SHA}, expires: {KEY}}}", "line 2: expires must be"),
        (f"keys:\n- {{caller: a, caller: {KEY}}}", "line 2: 'caller' is given twice"),
        (f"keys: []\nkeys: [{KEY}]", "line 2: 'keys' is given twice"),
        (
            f"keys:\n- {{caller: a, sha256: {SHA}}}\n- {{caller: b, sha256: {SHA}}}",
            "line 3: this key is given twice",
        ),
        (f"keys: [{KEY}", "is not YAML"),
        (f"keys: !!python/object:os.system [{KEY}]", "line 1: must be a mapping"),
        ("[" * 10_000, "is nested deeper"),
        ("keys: &a [*a]", "must be a mapping"),
        ("\x00", "is not YAML"),
    ],
)
def test_a_broken_file_of_keys_is_told_without_any_value_of_it(tmp_path, text, wrong):
    with pytest.raises(ValueError) as caught:
        read_keys(write(tmp_path, text))
    assert wrong in str(caught.value)
    assert KEY[3:20] not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path, name):
    found = mistakes(tmp_path, p={"api_keys": {"file": name}})
    assert "cannot be read" in found["identity.providers.p.api_keys.file"]


# Tokens.


@pytest.mark.parametrize(
    ("more", "path", "text"),
    [
        ({"issuer": None}, "issuer", "must be said"),
        ({"audiences": None}, "audiences", "must be said"),
        ({"audiences": ["a", ""]}, "audiences[1]", "must not be empty"),
        ({"jwks_url": None}, "jwks_file", "exactly one of"),
        ({"jwks_file": "x"}, "jwks_url", "exactly one of"),
        ({"algorithms": ["RS256", "HS256"]}, "algorithms[1]", "no signature that others can"),
        ({"algorithms": ["none"]}, "algorithms[0]", "no signature that others can"),
        ({"algorithms": ["RSA256"]}, "algorithms[0]", "did you mean 'RS256'?"),
        ({"algorithms": [""]}, "algorithms[0]", "known: RS256"),
        ({"caller_claim": ""}, "caller_claim", "name of a claim"),
        ({"roles_claim": "a..b"}, "roles_claim", "name of a claim"),
        ({"leeway": "-1s"}, "leeway", "must be 0s to 600s"),
        ({"leeway": "601s"}, "leeway", "must be 0s to 600s"),
        ({"timeout": "0s"}, "timeout", "more than 0s"),
        ({"refresh_interval": "5s"}, "refresh_interval", "shorter than min_refresh_interval"),
        ({"min_refresh_interval": "601s"}, "refresh_interval", "which is 601s"),
        ({"min_refresh_interval": "0s"}, "min_refresh_interval", "more than 0s"),
        ({"max_tokens": 0}, "max_tokens", "must be 1 to"),
        ({"max_tokens": 1_000_001}, "max_tokens", "must be 1 to"),
        ({"jwks_url": "http://i.example/keys"}, "jwks_url", "must be https"),
        ({"jwks_url": "http://10.0.0.1/keys"}, "jwks_url", "must be https"),
        ({"jwks_url": "http://localhost.evil.example/"}, "jwks_url", "must be https"),
        ({"jwks_url": "https://u:p@i.example/"}, "jwks_url", "must not hold credentials"),
        ({"jwks_url": "file:///etc/passwd"}, "jwks_url", "must be http or https"),
        ({"jwks_url": "keys"}, "jwks_url", "is not a URL"),
        ({"jwks_url": "https://i.example/keys#a"}, "jwks_url", "no fragment"),
        ({"jwks_url": "https://i.example/keys?a=b#c"}, "jwks_url", "no fragment"),
        ({"jwks_url": "https://i.example/keys?a b"}, "jwks_url", "percent-encoded"),
        ({"ca_file": "missing.pem"}, "ca_file", "cannot be read"),
        ({"ca_file": "x", "jwks_url": "http://localhost/"}, "ca_file", "https jwks_url"),
        ({"jwks_url": None, "jwks_file": "missing.json"}, "jwks_file", "cannot be read"),
    ],
)
def test_what_an_issuer_may_not_say(more, path, text):
    found = of_jwt(**more)
    assert list(found) == [path]
    assert text in found[path]


@pytest.mark.parametrize(
    "more",
    [
        {"jwks_url": "http://localhost:8080/keys"},
        {"jwks_url": "http://127.0.0.7/keys"},
        {"jwks_url": "http://[::1]:80/keys"},
        {"jwks_url": "https://login.example/keys?p=b2c_1_policy"},
        {"leeway": "0s"},
        {"algorithms": ["RS512", "ES384", "EdDSA"]},
        {"roles_claim": "https://example.com/roles"},
    ],
)
def test_what_an_issuer_may_say(more):
    assert of_jwt(**more) == {}


def test_a_jwks_file_is_looked_into(tmp_path):
    (tmp_path / "keys.json").write_bytes(key_set(jwk("k1")))
    assert of_jwt(tmp_path, jwks_url=None, jwks_file="keys.json") == {}
    found = of_jwt(tmp_path, jwks_url=None, jwks_file="keys.json", algorithms=["ES256"])
    assert found == {"jwks_file": "keys.json: has no public key for ES256 that can be used"}
    (tmp_path / "keys.json").write_text("{}")
    assert list(of_jwt(tmp_path, jwks_url=None, jwks_file="keys.json")) == ["jwks_file"]


# Certificates.


@pytest.mark.parametrize("name", ["a", "*.a", "a.*.b", "a@b", "spiffe://a/*/b", "spiffe://a"])
def test_names_of_certificates_may_have_stars_for_whole_labels(name):
    assert mistakes(p={"certificates": {"names": [{"name": name}]}}) == {}


@pytest.mark.parametrize(
    "name", ["", "a*.b", "**", "*@b", "spiffe://*/a", "spiffe://a/b*", "*://a"]
)
def test_other_stars_are_refused(name):
    found = mistakes(p={"certificates": {"names": [{"name": name}]}})
    assert list(found) == ["identity.providers.p.certificates.names[0].name"]


def test_names_and_roles_of_certificates_are_looked_at():
    names = [{"name": "a", "roles": ["a b"]}, {"name": "a"}]
    assert list(mistakes(p={"certificates": {"names": names}})) == [
        "identity.providers.p.certificates.names[0].roles[0]",
        "identity.providers.p.certificates.names[1].name",
    ]


# Methods and listeners.


PROVIDERS = {"keys": {"api_keys": {"keys": [{**ONE_KEY, "roles": ["reader"]}]}}}


def test_unknown_providers_are_told_with_a_suggestion():
    assert dict(auth_mistakes(auth(providers=["keys", "keyz"]), identity(**PROVIDERS))) == {
        "auth.providers[1]": "there is no identity provider 'keyz'; did you mean 'keys'?"
    }
    listeners = GatewayConfig(listeners=[{"listen": "a:1", "providers": ["keyz"]}]).listeners
    assert dict(listener_auth_mistakes(listeners, identity(**PROVIDERS))) == {
        "listeners[0].providers[0]": "there is no identity provider 'keyz'; did you mean 'keys'?"
    }


@pytest.mark.parametrize(
    ("plain", "providers", "paths"),
    [
        ({"mode": "REQUIRED"}, {}, ["auth.mode"]),
        ({"roles": ["a"]}, {}, ["auth.roles"]),
        ({"mode": "OPTIONAL"}, {}, []),
        ({"mode": "NONE"}, {}, []),
        ({}, {}, []),
        ({"mode": "REQUIRED", "roles": ["a"]}, PROVIDERS, []),
        ({"mode": "NONE", "roles": ["a"]}, PROVIDERS, ["auth.roles"]),
        ({"roles": ["a b"]}, PROVIDERS, ["auth.roles[0]"]),
    ],
)
def test_credentials_and_roles_need_providers(plain, providers, paths):
    assert [path for path, _ in auth_mistakes(auth(**plain), identity(**providers))] == paths


def test_listeners_need_what_they_say():
    listeners = GatewayConfig(
        listeners=[
            {"listen": "a:1", "auth": AuthPolicy.REQUIRED},
            {"listen": "a:2", "auth": AuthPolicy.NONE, "providers": ["m"]},
            {"listen": "a:3", "providers": ["m"]},
            {"listen": "a:4", "providers": ["m"], "tls": {"client_ca_file": "ca.pem"}},
            {"listen": "a:5"},
        ]
    ).listeners
    found = dict(listener_auth_mistakes(listeners, identity(m={"certificates": {}})))
    assert list(found) == ["listeners[1].providers", "listeners[2].providers"]
    assert "tls.client_ca_file" in found["listeners[2].providers"]
    found = dict(listener_auth_mistakes(listeners[:1], identity()))
    assert list(found) == ["listeners[0].auth"]


@pytest.mark.parametrize(
    ("more", "doubted"),
    [
        ({}, ["writer"]),
        ({"corp": {"jwt": JWT}}, []),
        ({"files": {"api_keys": {"file": "keys.yaml"}}}, []),
        ({"m": {"certificates": {"names": [{"name": "a", "roles": ["writer"]}]}}}, []),
        ({"m": {"certificates": {}}}, ["writer"]),
    ],
)
def test_a_role_that_nobody_can_have_is_doubted(more, doubted):
    who = identity(**PROVIDERS, **more)
    found = list(auth_doubts(auth(roles=["reader", "writer"]), who))
    assert [text.rpartition(" ")[2] for _, text in found] == [repr(role) for role in doubted]
    only = auth(roles=["writer"], providers=["keys"])
    assert [path for path, _ in auth_doubts(only, who)] == ["auth.roles"]
    assert list(auth_doubts(auth(roles=["writer"], mode="NONE"), who)) == []


@pytest.mark.parametrize(
    ("plain", "providers", "mode"),
    [
        ({}, PROVIDERS, Mode.REQUIRED),
        ({}, {}, Mode.NONE),
        ({"mode": "NONE"}, PROVIDERS, Mode.NONE),
        ({"mode": "OPTIONAL"}, PROVIDERS, Mode.OPTIONAL),
        ({"mode": "REQUIRED"}, PROVIDERS, Mode.REQUIRED),
    ],
)
def test_no_credential_is_the_exception_that_is_written_down(plain, providers, mode):
    assert auth_options(auth(**plain), identity(**providers)).mode is mode


def test_options_of_methods_and_listeners():
    assert auth_options(
        auth(mode="OPTIONAL", providers=["keys"], roles=["a", "b"]), identity(**PROVIDERS)
    ) == AuthOptions(
        mode=Mode.OPTIONAL, providers=frozenset(("keys",)), roles=frozenset(("a", "b"))
    )
    listeners = GatewayConfig(
        listeners=[
            {"listen": "a:1"},
            {"listen": "a:2", "auth": AuthPolicy.NONE},
            {"listen": "a:3", "providers": ["keys"]},
        ]
    ).listeners
    assert listener_auth_options(listeners) == {
        "a:2": ListenerAuth(mode=Mode.NONE),
        "a:3": ListenerAuth(providers=frozenset(("keys",))),
    }


# A whole file.


def test_a_configuration_file_becomes_options(tmp_path):
    (tmp_path / "seawall.yaml").write_text(
        f"""
identity:
  providers:
    keys:
      api_keys:
        metadata: x-key
        file: more.yaml
        keys:
        - {{caller: ann, sha256: {SHA}, roles: [admin], expires: 2027-01-31T00:00:00Z}}
    corp:
      jwt: {{issuer: i, audiences: [a, b], jwks_file: keys.json}}
    guests:
      jwt:
        issuer: g
        audiences: [a]
        jwks_url: https://g.example/keys
        ca_file: ca.pem
        algorithms: [ES384]
        leeway: 0s
        caller_claim: email
        roles_claim: scope
        refresh_interval: 60s
        min_refresh_interval: 5s
        timeout: 1s
        max_tokens: 10
    machines:
      certificates: {{names: [{{name: '*.internal', roles: [m]}}]}}
"""
    )
    document = read_document(tmp_path / "seawall.yaml")
    assert provider_options(document.config.identity, document.folder) == (
        JwtOptions(
            name="corp",
            issuer="i",
            audiences=frozenset("ab"),
            jwks_file=tmp_path / "keys.json",
            algorithms=frozenset(("RS256", "ES256", "EdDSA", "PS256")),
            leeway_s=30,
            caller_claim="sub",
            roles_claim="roles",
            refresh_interval_s=600,
            min_refresh_interval_s=10,
            timeout_s=2,
            max_tokens=10_000,
        ),
        JwtOptions(
            name="guests",
            issuer="g",
            audiences=frozenset("a"),
            jwks_url="https://g.example/keys",
            ca_file=tmp_path / "ca.pem",
            algorithms=frozenset(("ES384",)),
            leeway_s=0,
            caller_claim="email",
            roles_claim="scope",
            refresh_interval_s=60,
            min_refresh_interval_s=5,
            timeout_s=1,
            max_tokens=10,
        ),
        ApiKeysOptions(
            name="keys",
            metadata="x-key",
            file=tmp_path / "more.yaml",
            keys=(
                ApiKey(
                    caller="ann",
                    sha256=bytes.fromhex(SHA),
                    roles=frozenset(("admin",)),
                    expires_at=1801353600.0,
                ),
            ),
        ),
        CertificatesOptions(
            name="machines",
            names=(CertificateName(name="*.internal", roles=frozenset("m")),),
        ),
    )


def test_a_file_of_keys_feeds_the_provider(tmp_path):
    (tmp_path / "more.yaml").write_text(f"keys: [{{caller: bob, sha256: {SHA}}}]")
    options = provider_options(identity(keys={"api_keys": {"file": "more.yaml"}}), tmp_path)
    providers = Providers(
        options,
        clock=FakeClock(),
        rng=FakeRng(),
        events=Events(),
        fetch=lambda _options: pytest.fail("nothing is asked for"),
        read_keys=read_keys,
    )
    readers, _ = providers.choose(None)
    found = readers["x-api-key"].identify(KEY)
    assert isinstance(found, Caller)
    assert found.key == "keys:bob"
