"""Nothing that came from the environment or a file is shown, wherever it stands."""

import pytest

from gateway.config.shown import HIDDEN

from .conftest import Given, get

SECRET = "s3cret-value"
PROTOS = "service Orders {\n" + get("Get") + "}\n"


def of_get(policy: str) -> str:
    return f"services: {{shop.v1.Orders: {{methods: {{Get: {policy}}}}}}}\n"


@pytest.mark.parametrize(
    "yaml",
    [
        of_get("{headers: {set: {x-tenant: '${V}'}}}"),
        of_get("{request: {query: {q: '${V}'}}}"),
        of_get("{fallback: {steps: [{answer: '${A}'}]}}"),
        of_get("{webhook: {body_field: id, signature_metadata: x-s, prefix: '${V}', "
               "secrets: ['${L}']}}"),
        of_get("{rate_limits: {a: {requests: 1, by: ['metadata:${V}']}}}"),
        of_get("{headers: {forward_request: ['${V}']}}"),
    ],
)  # fmt: skip
def test_of_a_method(given: Given, yaml: str) -> None:
    environ = {"V": SECRET, "A": f'{{"name": "{SECRET}"}}', "L": SECRET * 2}
    (method,) = given.served(PROTOS, yaml, environ=environ).methods
    assert SECRET in str(method.policy), "it is there"
    assert SECRET not in str(method.shown_policy)
    assert HIDDEN in str(method.shown_policy)


@pytest.mark.parametrize(
    "policy",
    [
        "{health_check: {path: '/${V}'}}",
        "{endpoints: ['${V}:80']}",
        "{credentials: {oauth2: {token_url: 'https://a/t', client_id: a, client_secret: b, "
        "scopes: ['${V}']}}}",
        "{credentials: {basic: {username: '${V}', password: b}}}",
    ],
)
def test_of_an_upstream(given: Given, policy: str) -> None:
    yaml = f"upstreams: {{shop: {{url: 'http://a', policy: {policy}}}}}\n"
    resolved = given.served(PROTOS, yaml, environ={"V": SECRET}, upstreams={})
    upstream = resolved.upstreams["shop"]
    assert SECRET in str(upstream.policy), "it is there"
    assert SECRET not in str(upstream.shown_policy)


SHAPES = {
    "webhook.secrets as text": of_get(f"{{webhook: {{secrets: '{SECRET}'}}}}"),
    "webhook.secrets as a mapping": of_get(f"{{webhook: {{secrets: [{{a: '{SECRET}'}}]}}}}"),
    "credentials.basic": f"defaults: {{upstream: {{credentials: {{basic: 'u:{SECRET}'}}}}}}\n",
    "credentials.headers": f"defaults: {{upstream: {{credentials: {{headers: '{SECRET}'}}}}}}\n",
    "credentials.caller": f"defaults: {{upstream: {{credentials: {{caller: '{SECRET}'}}}}}}\n",
    "api_keys.keys": f"identity: {{providers: {{a: {{api_keys: {{keys: ['{SECRET}']}}}}}}}}\n",
    "headers.set": of_get(f"{{headers: {{set: '{SECRET}'}}}}"),
    "state.shared": f"state: {{shared: ['{SECRET}']}}\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_in_a_wrong_shape_is_not_quoted(given: Given, shape: str) -> None:
    found = given.yaml_mistakes(SHAPES[shape])
    assert found
    assert SECRET not in "\n".join(found)
