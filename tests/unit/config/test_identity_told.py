"""What is told of identities: who is known, what has ended, what may be no key of anything."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamPolicy
from support.gateways import PROTOS

from gateway.app import Settings, load
from gateway.config.identity import (
    callers,
    credential_key_mistakes,
    expiry_of,
    identity_doubts,
)
from gateway.config.identity.key import key_mistakes
from gateway.config.resolve import Flags

SHA = hashlib.sha256(b"a key").hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
OVER, GOOD = "2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z"


def config(method: dict[str, Any] | None = None, **providers: Any) -> GatewayConfig:
    said = {"identity": {"providers": providers}, "defaults": {"method": method or {}}}
    return json_format.ParseDict(said, GatewayConfig())


PARTNERS = {"api_keys": {"metadata": "x-Partner", "keys": [{"caller": "ann", "sha256": SHA}]}}


# Who is known.


def test_without_providers_nobody_is_identified():
    assert callers(config()) == "not identified (there are no identity.providers)"


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({}, "a call without a credential is refused, unless "),
        ({"mode": "REQUIRED"}, "a call without a credential is refused, unless "),
        ({"mode": "OPTIONAL"}, "a call may be without a credential, unless "),
        ({"mode": "NONE"}, "nobody is asked, unless "),
    ],
)
def test_the_line_says_who_is_known_by_what_and_what_others_may(auth, words):
    said = config(
        {"auth": auth},
        keys={"api_keys": {"keys": []}},
        partners=PARTNERS,
        corp={"jwt": {"issuer": "https://corp.example"}},
        mtls={"certificates": {}},
    )
    assert callers(said).startswith(
        "identified by corp (tokens of https://corp.example), keys (API keys in x-api-key), "
        f"mtls (client certificates), partners (API keys in x-Partner); {words}"
    )


# What has ended.


def test_keys_that_have_ended_are_doubted(tmp_path: Path):
    (tmp_path / "keys.yaml").write_text(
        f"keys: [{{caller: cy, sha256: {SHA}, expires: {OVER!r}}},"
        f" {{caller: di, sha256: {OTHER}, expires: {OVER!r}}}]"
    )
    keys = [
        {"caller": "ann", "sha256": SHA, "expires": GOOD},
        {"caller": "bob", "sha256": OTHER, "expires": OVER},
    ]
    said = config(p={"api_keys": {"keys": keys}}, q={"api_keys": {"file": "keys.yaml"}})
    assert list(identity_doubts(said.identity, tmp_path, NOW)) == [
        ("identity.providers.p.api_keys.keys[1].expires", f"the key of 'bob' ended at {OVER}"),
        (
            "identity.providers.q.api_keys.file",
            f"keys.yaml: the key of 'cy' ended at {OVER}, and 1 more of the file",
        ),
    ]


def test_check_and_serve_warn_of_them(tmp_path: Path):
    path = tmp_path / "seawall.yaml"
    path.write_text(
        "identity:\n  providers:\n    p:\n      api_keys:\n        keys:\n"
        f"          - {{caller: ann, sha256: {SHA}, expires: '2001-01-01T00:00:00Z'}}\n"
    )
    flags = Flags((), {"": "http://127.0.0.1:1"})
    found = load(Settings(proto=PROTOS / "shop", config=path, flags=flags)).resolved.warnings
    assert [str(one) for one in found] == [
        f"{path}:6: identity.providers.p.api_keys.keys[0].expires: "
        "the key of 'ann' ended at 2001-01-01T00:00:00Z"
    ]


# When a new key ends.


@pytest.mark.parametrize(
    ("said", "expires"),
    [
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        ("2027-01-31T12:30:00Z", "2027-01-31T12:30:00Z"),
        ("2027-01-31T12:30:00+02:00", "2027-01-31T10:30:00Z"),
        ("90d", "2027-04-15T08:00:00Z"),
        ("12h", "2027-01-15T20:00:00Z"),
        ("90m", "2027-01-15T09:30:00Z"),
        ("1s", "2027-01-15T08:00:01Z"),
    ],
)
def test_a_new_key_ends_at_a_date_an_instant_or_after_a_time(said, expires):
    assert expiry_of(said, NOW) == expires
    key = json_format.ParseDict(
        {"caller": "a", "sha256": SHA, "expires": expires},
        GatewayConfig().identity.providers["p"].api_keys.keys.add(),
    )
    assert list(key_mistakes(key)) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        *((text, "is no time; write a date") for text in ("", "soon", "90", "-1d", "1w", "90d ")),
        ("2027-02-30", "is no time"),
        ("2027-01-31T12:30:00", "is no time"),
        ("9999999d", "is no time"),
        ("2027-01-15", "is not in the future"),
        (OVER, "is not in the future"),
        ("0s", "is not in the future"),
    ],
)
def test_what_is_no_time_to_come_is_told(said, words):
    with pytest.raises(ValueError, match=words):
        expiry_of(said, NOW)


# What may be no key of anything.


def method(**plain: Any) -> MethodPolicy:
    return json_format.ParseDict(plain, MethodPolicy())


def test_metadata_that_carries_keys_is_no_key_of_a_limit_or_a_breaker():
    who = config(partners=PARTNERS).identity
    policy = method(
        breaker={"key_metadata": "X-Partner"},
        rate_limits={"a": {"by": ["peer", "metadata:x-partner"]}, "b": {"by": ["metadata:x-a"]}},
    )
    found = dict(credential_key_mistakes(policy, who))
    assert list(found) == ["breaker.key_metadata", "rate_limits.a.by[1]"]
    for text in found.values():
        assert "'x-partner' carries the keys of identity provider 'partners'" in text
    upstream = json_format.ParseDict({"breaker": {"key_metadata": "x-partner"}}, UpstreamPolicy())
    assert [path for path, _ in credential_key_mistakes(upstream, who)] == ["breaker.key_metadata"]


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"breaker": {"key_metadata": "x-tenant"}},
        {"rate_limits": {"a": {"by": ["caller", "metadata:x-tenant", "field:x-partner"]}}},
    ],
)
def test_other_keys_are_no_matter_of_identities(policy):
    assert list(credential_key_mistakes(method(**policy), config(p=PARTNERS).identity)) == []


def test_what_is_refused_as_it_is_is_told_once():
    said = {"api_keys": {"metadata": "x-api-key", "keys": []}}
    policy = method(breaker={"key_metadata": "x-api-key"})
    assert list(credential_key_mistakes(policy, config(p=said).identity)) == []
