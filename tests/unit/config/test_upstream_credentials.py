"""What is said of upstreams' credentials: options, mistakes, doubts, and what is hidden."""

import base64
import json

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamCredentials, UpstreamPolicy

from gateway.config.upstream_credentials import (
    MAY_BE_FILE,
    caller_of,
    credential_conflicts,
    credential_doubts,
    credential_mistakes,
    credential_option_mistakes,
    credential_options,
    forwarding_doubts,
    hide_credentials,
    merged_credential_mistakes,
    metadata_of_identities,
    withheld_names,
)
from gateway.downstream.credentials import Caller, OAuth2Options

OAUTH2 = {"token_url": "https://auth.example/token", "client_id": "me", "client_secret": "s"}
OWN = [
    {"bearer_token": "t"},
    {"basic": {"username": "u", "password": "p"}},
    {"headers": {"x-api-key": "k"}},
    {"oauth2": OAUTH2},
]


def policy(credentials: dict | None = None, **more: object) -> UpstreamPolicy:
    said = {"name": "orders", "url": "https://orders", **more}
    if credentials is not None:
        said["credentials"] = credentials
    return json_format.ParseDict(said, UpstreamPolicy())


def said(credentials: dict) -> UpstreamCredentials:
    return policy(credentials).credentials


# Options


@pytest.mark.parametrize("own", OWN)
def test_with_a_credential_of_its_own_an_upstream_gets_no_caller_s(own: dict):
    assert caller_of(policy(own)) is Caller.STRIP


def test_without_one_it_gets_the_caller_s_unless_it_is_another_s_fallback():
    assert caller_of(policy()) is Caller.FORWARD
    assert caller_of(policy(), is_fallback=True) is Caller.STRIP
    assert caller_of(policy({"caller": "FORWARD"}), is_fallback=True) is Caller.FORWARD


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("caller", ["FORWARD", "STRIP", "EXCHANGE"])
def test_what_is_said_of_callers_goes_before_what_is_built_in(caller: str, own: dict):
    assert caller_of(policy({"caller": caller, **own})) is Caller[caller]


def test_what_is_empty_is_not_said():
    empty = {"bearer_token": "", "basic": {"username": ""}, "headers": {}, "oauth2": {}}
    assert caller_of(policy(empty)) is Caller.FORWARD
    assert credential_options(policy(empty)).headers == {}


@pytest.mark.parametrize(
    ("own", "headers"),
    [
        ({"bearer_token": "t"}, {"authorization": "Bearer t"}),
        (
            {"basic": {"username": "ü", "password": "p:w"}},
            {"authorization": "Basic " + base64.b64encode("ü:p:w".encode()).decode()},
        ),
        ({"headers": {"X-Api-Key": "k", "x-app": "a"}}, {"x-api-key": "k", "x-app": "a"}),
        ({"oauth2": OAUTH2}, {}),
        ({}, {}),
    ],
)
def test_a_credential_that_never_changes_is_headers(own: dict, headers: dict):
    assert dict(credential_options(policy(own)).headers) == headers


def test_each_value_of_oauth2_reaches_its_option():
    more = {"scopes": ["a", "b"], "audience": "x", "timeout": "1.5s", "max_tokens": 7}
    whole = OAUTH2 | more
    fields = {field.name for field in said({"oauth2": OAUTH2}).oauth2.DESCRIPTOR.fields}
    assert set(whole) == fields
    assert credential_options(policy({"oauth2": whole})).oauth2 == OAuth2Options(
        token_url="https://auth.example/token",
        client_id="me",
        client_secret="s",
        scopes=("a", "b"),
        audience="x",
        timeout_s=1.5,
        max_tokens=7,
    )


def test_built_in_values_of_oauth2():
    made = credential_options(policy({"oauth2": OAUTH2})).oauth2
    assert (made.timeout_s, made.max_tokens, made.scopes, made.audience) == (2.0, 10_000, (), "")


@pytest.mark.parametrize(
    ("credentials", "fixed", "asks"),
    [
        ({}, {}, False),
        ({"bearer_token": "t"}, {"authorization": "Bearer t"}, False),
        ({"bearer_token": "t", "caller": "FORWARD"}, {}, False),
        ({"oauth2": OAUTH2}, {}, True),
        ({"oauth2": OAUTH2, "caller": "FORWARD"}, {}, False),
        ({"oauth2": OAUTH2, "caller": "EXCHANGE"}, {}, True),
    ],
)
def test_the_cheapest_form_is_taken(credentials: dict, fixed: dict, asks: bool):
    options = credential_options(policy(credentials))
    assert (dict(options.fixed), options.asks) == (fixed, asks)


def test_nothing_is_withheld_where_credentials_are_forwarded():
    assert withheld_names(Caller.FORWARD, frozenset({"x-api-key"})) == frozenset()


@pytest.mark.parametrize("caller", [Caller.STRIP, Caller.EXCHANGE])
def test_what_carries_callers_credentials_is_withheld(caller: Caller):
    withheld = withheld_names(caller, frozenset({"X-Api-Key"}))
    assert withheld == {"authorization", "cookie", "x-api-key"}


def test_the_keys_of_identity_providers_are_those_that_they_read():
    providers = {
        "keys": {"api_keys": {"metadata": "x-partner"}},
        "others": {"api_keys": {}},
        "tokens": {"jwt": {}},
    }
    identity = json_format.ParseDict({"providers": providers}, Identity())
    assert metadata_of_identities(identity) == {"authorization", "x-partner", "x-api-key"}
    assert metadata_of_identities(Identity()) == {"authorization"}


# Mistakes


@pytest.mark.parametrize(
    ("credentials", "path", "why"),
    [
        ({"bearer_token": "a b"}, "bearer_token", 'without "Bearer"'),
        ({"bearer_token": "ä"}, "bearer_token", "printable ASCII"),
        ({"basic": {"username": "a:b"}}, "basic.username", "must not hold ':'"),
        ({"basic": {"username": "a\n"}}, "basic.username", "control characters"),
        ({"basic": {"password": "a\0"}}, "basic.password", "control characters"),
        ({"headers": {"host": "a"}}, "headers.host", "computed by the gateway"),
        ({"headers": {"x y": "a"}}, "headers", "no header name (not shown)"),
        ({"headers": {"x-k": "a\nb"}}, "headers.x-k", "must be printable ASCII"),
        ({"headers": {"x-k": ""}}, "headers.x-k", "not empty"),
        ({"headers": {"X-K": "a", "x-k": "b"}}, "headers.x-k", "given twice"),
        ({"oauth2": {"token_url": "auth"}}, "oauth2.token_url", "is not a URL"),
        ({"oauth2": {"token_url": "https://a?x=1"}}, "oauth2.token_url", "no query"),
        ({"oauth2": {"token_url": "http://auth/t"}}, "oauth2.token_url", "must be https"),
        ({"oauth2": {"client_id": "a\n"}}, "oauth2.client_id", "control characters"),
        ({"oauth2": {"scopes": ["a b"]}}, "oauth2.scopes[0]", "write one an entry"),
        ({"oauth2": {"scopes": [""]}}, "oauth2.scopes[0]", "is not a scope"),
        ({"oauth2": {"max_tokens": 0}}, "oauth2.max_tokens", "must be 1 to 1000000"),
        ({"oauth2": {"max_tokens": 2000000}}, "oauth2.max_tokens", "must be 1 to 1000000"),
    ],
)
def test_what_a_level_may_not_say(credentials: dict, path: str, why: str):
    wrong = dict(credential_mistakes(said(credentials)))
    assert set(wrong) == {path}
    assert why in wrong[path]


@pytest.mark.parametrize(
    "url", ["http://localhost:1/t", "http://127.0.0.1/t", "http://[::1]:80/t", "https://a/t"]
)
def test_a_token_url_is_https_or_of_this_machine(url: str):
    assert not list(credential_mistakes(said({"oauth2": {"token_url": url}})))


@pytest.mark.parametrize("own", OWN)
def test_what_is_well_is_no_mistake(own: dict):
    assert not list(credential_mistakes(said(own)))
    assert not list(merged_credential_mistakes(policy(own)))


def test_a_secret_is_in_no_sentence():
    bad = {
        "bearer_token": "s3cret x",
        "basic": {"password": "s3cret\n"},
        "headers": {"x-k": "s3cret\n"},
        "oauth2": {"token_url": "https://a?k=s3cret", "client_secret": "s3cret"},
    }
    found = [*credential_mistakes(said(bad)), *merged_credential_mistakes(policy(bad))]
    found += credential_option_mistakes(said(bad))
    found += credential_doubts(policy(bad))
    assert len(found) > 6
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("credentials", "path", "why"),
    [
        (OWN[0] | OWN[1], "credentials.basic", "credentials.bearer_token says another"),
        (OWN[0] | OWN[2], "credentials.headers", "credentials.bearer_token says another"),
        (OWN[2] | OWN[3], "credentials.oauth2", "credentials.headers says another"),
        ({"caller": "EXCHANGE"}, "credentials.caller", "needs credentials.oauth2.token_url"),
        (
            {"caller": "EXCHANGE", **OWN[0]},
            "credentials.caller",
            "needs credentials.oauth2.token_url",
        ),
        ({"basic": {"username": "u"}}, "credentials.basic.password", "must be said"),
        ({"basic": {"password": "p"}}, "credentials.basic.username", "must be said"),
        (
            {"oauth2": {"client_id": "a", "client_secret": "b"}},
            "credentials.oauth2.token_url",
            "must be said",
        ),
        (
            {"oauth2": {"token_url": "https://a", "client_secret": "b"}},
            "credentials.oauth2.client_id",
            "must be said",
        ),
        (
            {"oauth2": {"token_url": "https://a", "client_id": "b"}},
            "credentials.oauth2.client_secret",
            "must be said",
        ),
        (
            {"caller": "EXCHANGE", "oauth2": {"token_url": "https://a", "client_secret": "b"}},
            "credentials.oauth2.client_id",
            "must be said",
        ),
    ],
)
def test_what_all_levels_may_not_come_to(credentials: dict, path: str, why: str):
    wrong = dict(merged_credential_mistakes(policy(credentials)))
    assert set(wrong) == {path}
    assert why in wrong[path]


@pytest.mark.parametrize(
    "oauth2", [{"token_url": "https://a"}, {"token_url": "https://a", "client_id": "b"}]
)
def test_who_only_exchanges_needs_no_secret(oauth2: dict):
    assert not list(merged_credential_mistakes(policy({"caller": "EXCHANGE", "oauth2": oauth2})))


@pytest.mark.parametrize("own", OWN)
def test_no_secret_may_stand_in_proto_options(own: dict):
    ((_, why),) = credential_option_mistakes(said(own))
    assert "reflection shows proto options to every caller" in why


def test_what_is_no_secret_may_stand_in_proto_options():
    more = {"caller": "EXCHANGE", "oauth2": {"token_url": "https://a", "client_id": "b"}}
    assert not list(credential_option_mistakes(said(more)))


@pytest.mark.parametrize(
    ("credentials", "headers", "wrong"),
    [
        (OWN[0], {"set": {"Authorization": "x"}}, {"headers.set.Authorization"}),
        (OWN[3], {"set": {"authorization": "x"}}, {"headers.set.authorization"}),
        (OWN[2], {"set": {"x-api-key": "x"}}, {"headers.set.x-api-key"}),
        (OWN[2], {"request_fields": {"x-api-key": "f"}}, {"headers.request_fields.x-api-key"}),
        (OWN[2], {"set": {"authorization": "x"}}, set()),
        ({**OWN[0], "caller": "FORWARD"}, {"set": {"authorization": "x"}}, set()),
        ({}, {"set": {"authorization": "x"}}, set()),
    ],
)
def test_a_header_is_said_once(credentials: dict, headers: dict, wrong: set[str]):
    method = json_format.ParseDict({"headers": headers}, MethodPolicy())
    found = dict(credential_conflicts(policy(credentials), method))
    assert set(found) == wrong
    assert all("the upstream 'orders' is sent as credentials" in why for why in found.values())


# Doubts


@pytest.mark.parametrize(
    ("url", "endpoints", "doubted"),
    [
        ("https://orders", [], False),
        ("http://orders", [], True),
        ("http://10.0.0.7", [], True),
        ("http://localhost:80", [], False),
        ("http://127.0.0.2", [], False),
        ("http://orders", ["127.0.0.1:80", "[::1]:80"], False),
        ("http://localhost", ["127.0.0.1:80", "10.0.0.7:80"], True),
    ],
)
def test_credentials_in_the_open_are_doubted(url: str, endpoints: list[str], doubted: bool):
    made = policy(OWN[0], url=url, endpoints=endpoints)
    found = dict(credential_doubts(made, {"t"}))
    assert ("credentials" in found) is doubted
    assert not list(credential_doubts(policy(None, url=url, endpoints=endpoints)))


@pytest.mark.parametrize("own", OWN)
def test_a_secret_in_the_file_itself_is_doubted(own: dict):
    ((path, why),) = credential_doubts(policy(own))
    assert path.startswith("credentials.")
    assert "stands in the file itself" in why
    assert not list(credential_doubts(policy(own), {"t", "p", "k", "s"}))


def test_a_bound_of_tokens_without_an_exchange_is_doubted():
    more = {"oauth2": OAUTH2 | {"max_tokens": 5}}
    assert "credentials.oauth2.max_tokens" in dict(credential_doubts(policy(more), {"s"}))
    more["caller"] = "EXCHANGE"
    assert not list(credential_doubts(policy(more), {"s"}))


def test_a_credential_that_is_forwarded_all_the_same_is_doubted():
    headers = {"headers": {"forward_request": ["authorization", "x-auth-token", "x-request-id"]}}
    method = json_format.ParseDict(headers, MethodPolicy())
    ((path, why),) = forwarding_doubts(method, withheld_names(Caller.STRIP))
    assert path == "headers.forward_request[1]"
    assert "'x-auth-token' looks like a credential" in why
    assert not list(forwarding_doubts(method, withheld_names(Caller.FORWARD)))


# What people may see


def test_no_secret_is_shown():
    secrets = {
        "bearer_token": "s3cret",
        "basic": {"username": "u", "password": "s3cret"},
        "headers": {"x-app": "s3cret"},
        "oauth2": OAUTH2 | {"client_secret": "s3cret", "client_id": "s3cret-id"},
    }
    shown = policy(secrets)
    hide_credentials(shown, "(hidden)", {"s3cret-id"})
    text = json.dumps(json_format.MessageToDict(shown))
    assert "s3cret" not in text
    assert text.count("(hidden)") == 5
    assert '"u"' in text
    assert "https://auth.example/token" in text


def test_where_nothing_is_said_nothing_is_shown():
    shown = policy()
    hide_credentials(shown, "(hidden)", frozenset())
    assert shown == policy()


def test_what_may_be_a_file_is_there():
    file = UpstreamPolicy.DESCRIPTOR.file
    known = set()
    for message in ("UpstreamCredentials", "BasicCredentials", "OAuth2Credentials"):
        kind = file.message_types_by_name[message]
        for field in kind.fields:
            known.add(field.full_name)
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                known |= {one.full_name for one in field.message_type.fields}
    assert known >= MAY_BE_FILE
